"""ROC curves of the scores for membership: all of them, and where false positives are few."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.rows import chart_data, known
from mnemoscope.plots.theme import CATEGORIES, theme

SCORES: dict[str, str] = {
    "loss": "loss (baseline)",
    "residual": "residual",
    "spectral_radius": "spectral radius",
    "operator_norm": "operator norm",
    "distance_moved": "distance moved",
}
"""What each score is called; the baseline first, in grey."""

COLOURS = ("#7a8088", *(colour for colour in CATEGORIES if colour != "#7a8088"))

DASHES = ([1, 0], [6, 3], [1, 0], [1, 0], [1, 0])
"""The residual is dashed: it lies on the loss, whose square root it is."""

FEW = 0.02
"""Where the smallest false positive rate above 0 is at most this, there is something to see on a
logarithmic scale."""


def roc_chart(roc: pl.DataFrame, *, width: int = 270, height: int = 270) -> ChartType:
    """A line for each score, beside it the same with false positives on a logarithmic scale.

    The second panel is left out where held-out states are so few that it would show nothing; a
    curve begins there at its first false positive.

    Args:
        roc: The table `ROC`: `score, fpr, tpr`.
        width: Of a panel, in pixels.
        height: Of a panel, in pixels.
    """
    order = {score: place for place, score in enumerate(SCORES)}
    points = (
        known(roc, "fpr", "tpr")
        .with_columns(name=pl.col("score").replace_strict(SCORES))
        .sort(pl.col("score").replace_strict(order), maintain_order=True)
        .with_row_index("place")
    )
    least = points.filter(pl.col("fpr") > 0)["fpr"].min()
    panels = [_panel(points, "Whole curve", alt.Scale(domain=[0, 1]), 0.0, width, height)]
    if isinstance(least, float) and least <= FEW:
        scale = alt.Scale(type="log", domain=[least, 1])
        few = "Few false positives"
        panels.append(_panel(_from_first(points, least), few, scale, least, width, height))
    return alt.hconcat(*panels, spacing=36).configure(**theme())


def _from_first(points: pl.DataFrame, least: float) -> pl.DataFrame:
    """What a logarithmic scale can show: a curve without false positives stands at its left edge.

    There the true positive rate is the highest at no false positive.
    """
    at_none = points.filter(pl.col("fpr") == 0).group_by("score", maintain_order=True).last()
    edge = at_none.with_columns(fpr=pl.lit(least)).select(points.columns)
    return pl.concat([edge, points.filter(pl.col("fpr") > 0)]).sort("place")


def _panel(
    points: pl.DataFrame, title: str, scale: alt.Scale, least: float, width: int, height: int
) -> alt.LayerChart | alt.FacetChart:
    present = [name for score, name in SCORES.items() if score in set(points["score"])]
    places = {name: place for place, name in enumerate(SCORES.values())}
    axis = alt.Axis(format="%" if not least else ".2~%", tickCount=4)
    x = alt.X("fpr:Q", scale=scale, axis=axis, title="false positive rate")
    y_axis = alt.Axis(format="%", values=[0, 0.5, 1])
    y = alt.Y("tpr:Q", scale=alt.Scale(domain=[0, 1]), axis=y_axis, title="true positive rate")
    lines = (
        alt.Chart(chart_data(points.select("name", "fpr", "tpr", "place"), 5))
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y=y,
            order="place:Q",
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=present, range=[COLOURS[places[n]] for n in present]),
            ),
            strokeDash=alt.StrokeDash(
                "name:N",
                scale=alt.Scale(domain=present, range=[DASHES[places[n]] for n in present]),
            ),
            tooltip=[
                alt.Tooltip("name:N", title="score"),
                alt.Tooltip("fpr:Q", title="false positives", format=".2%"),
                alt.Tooltip("tpr:Q", title="true positives", format=".1%"),
            ],
        )
    )
    # Guessing: as many of either. On a logarithmic scale it is a curve.
    rates = [least ** (k / 40) for k in range(40, -1, -1)] if least else [0.0, 1.0]
    guess = alt.Chart(chart_data(pl.DataFrame({"fpr": rates, "tpr": rates})))
    chance = guess.mark_line(style="reference", strokeDash=[4, 4]).encode(x=x, y=y)
    return alt.layer(chance, lines).properties(width=width, height=height, title=title)
