"""The leading eigenvalues of the Jacobian at each example, and the unit circle."""

import math

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.draw import chart_data, known, tooltips
from mnemoscope.plots.theme import COLOURS, theme

WIDEST = 3.0
"""Maximum of the view: one huge eigenvalue must not shrink the unit circle to a dot."""

MOST_POINTS = 4000
CROWDED = 600
"""Number of eigenvalues above which they are drawn smaller."""


def spectrum_chart(spectra: pl.DataFrame, examples: pl.DataFrame) -> ChartType:
    """Draws eigenvalues in the complex plane: discs at stored examples, triangles at others."""
    points = (
        known(spectra, "real", "imag")
        .sort("rank", "example")
        .head(MOST_POINTS)
        .join(examples.select(pl.col("index").alias("example"), "stored"), on="example", how="left")
        .select(
            "example",
            pl.col("rank") + 1,
            "real",
            "imag",
            "modulus",
            pl.when(pl.col("stored").fill_null(False))
            .then(pl.lit("stored example"))
            .otherwise(pl.lit("example not stored"))
            .alias("state"),
        )
    )
    reach = view_reach(spectra)
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    x = alt.X("real:Q", scale=scale, title="real part", axis=alt.Axis(tickCount=5))
    y = alt.Y("imag:Q", scale=scale, title="imaginary part", axis=alt.Axis(tickCount=5))
    states = {"stored example": COLOURS["stored"], "example not stored": COLOURS["not_stored"]}
    dots = (
        alt.Chart(chart_data(points, 4))
        .mark_point(
            size=48 if points.height <= CROWDED else 18, filled=True, opacity=0.85, clip=True
        )
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "state:N", scale=alt.Scale(domain=list(states), range=list(states.values()))
            ),
            shape=alt.Shape(
                "state:N", scale=alt.Scale(domain=list(states), range=["circle", "triangle-up"])
            ),
            tooltip=tooltips(
                ("example:Q", "example"),
                ("rank:Q", "eigenvalue, largest first"),
                ("real:Q", "real part", ".4g"),
                ("imag:Q", "imaginary part", ".4g"),
                ("modulus:Q", "modulus", ".4g"),
                ("state:N", "state"),
            ),
        )
    )
    layers = alt.layer(_unit_circle(x, y), dots).properties(width=460, height=460)
    return layers.configure(**theme())


def _unit_circle(x: alt.X, y: alt.Y) -> alt.Chart:
    turns = [2 * math.pi * k / 180 for k in range(181)]
    points = pl.DataFrame(
        {"k": range(181), "real": map(math.cos, turns), "imag": map(math.sin, turns)}
    )
    line = alt.Chart(chart_data(points, 4)).mark_line(style="reference", clip=True)
    return line.encode(x=x, y=y, order="k:Q")


def view_reach(spectra: pl.DataFrame) -> float:
    """Returns the largest coordinate in view: the unit circle and eigenvalues up to `WIDEST`."""
    drawn = known(spectra, "real", "imag")
    farthest = max(
        (abs(value) for name in ("real", "imag") for value in drawn[name]),
        default=0.0,
    )
    return min(max(1.15, 1.05 * farthest), WIDEST)


def outside_view(spectra: pl.DataFrame) -> int:
    """Counts the eigenvalues outside of the view."""
    reach = view_reach(spectra)
    beyond = (pl.col("real").abs() > reach) | (pl.col("imag").abs() > reach)
    return known(spectra, "real", "imag").filter(beyond).height
