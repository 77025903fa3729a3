"""The training loss against the step, with the threshold of interpolation."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.rows import chart_data, known
from mnemoscope.plots.theme import COLOURS, theme

MOST_POINTS = 600


def training_chart(
    history: pl.DataFrame, *, tol: float | None = None, width: int = 620, height: int = 220
) -> ChartType:
    """The loss on a logarithmic scale.

    Args:
        history: `Audit.history`; long ones are thinned evenly to `MOST_POINTS`, the last step kept.
        tol: The threshold of interpolation, drawn as a line.
        width: In pixels.
        height: In pixels.
    """
    drawn = loss_points(history)
    stride = -(-drawn.height // MOST_POINTS)
    last = drawn.height - 1
    thinned = drawn.with_row_index("row").filter(
        (pl.col("row") % stride == 0) | (pl.col("row") == last)
    )
    x = alt.X(
        "step:Q", title="step", axis=alt.Axis(tickCount=6, grid=False), scale=alt.Scale(nice=False)
    )
    y_scale = alt.Scale(type="log")
    y_axis = alt.Axis(format=".0e", tickCount=6)
    line = (
        alt.Chart(chart_data(thinned.select("step", "loss", "lr"), 4))
        .mark_line(color=COLOURS["stored"], strokeWidth=1.8)
        .encode(
            x=x,
            y=alt.Y("loss:Q", scale=y_scale, axis=y_axis, title="training loss"),
            tooltip=[
                alt.Tooltip("step:Q", title="step"),
                alt.Tooltip("loss:Q", title="loss", format=".3e"),
                alt.Tooltip("lr:Q", title="learning rate", format=".2e"),
            ],
        )
    )
    layers: list[alt.Chart] = [line]
    if tol is not None and tol > 0:
        threshold = pl.DataFrame({"loss": [tol], "label": ["interpolation"], "step": [0]})
        base = alt.Chart(chart_data(threshold))
        y = alt.Y("loss:Q", scale=y_scale, axis=y_axis, title="training loss")
        layers += [
            base.mark_rule(style="reference", strokeDash=[4, 4]).encode(y=y),
            base.mark_text(style="reference-label", align="left", dy=-7, dx=4).encode(
                x=alt.value(0), y=y, text="label:N"
            ),
        ]
    return alt.layer(*layers).properties(width=width, height=height).configure(**theme())


def loss_points(history: pl.DataFrame) -> pl.DataFrame:
    """The steps that a logarithmic scale can show: those with a positive, finite loss."""
    return known(history, "step", "loss").filter(pl.col("loss") > 0).sort("step")
