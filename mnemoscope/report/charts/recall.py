"""Recall against the strength of a corruption, over all examples."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.rows import chart_data, known
from mnemoscope.plots.theme import COLOURS, theme
from mnemoscope.report.words import CORRUPTIONS, corruption_name, strength_name


def recall_panels(
    curves: pl.DataFrame, *, width: int = 220, height: int = 150
) -> dict[str, ChartType]:
    """A chart for each corruption: line, points and the 95% interval.

    Args:
        curves: `Audit.curves`.
        width: Of a chart, in pixels.
        height: Of a chart, in pixels.
    """
    return {
        corruption: _panel(rates, corruption, width, height).configure(**theme())
        for corruption, rates in _by_corruption(curves)
    }


def recall_chart(curves: pl.DataFrame, *, width: int = 200, height: int = 140) -> ChartType:
    """All corruptions as small multiples in one chart."""
    panels = [
        _panel(rates, corruption, width, height) for corruption, rates in _by_corruption(curves)
    ]
    return alt.concat(*panels, columns=3, spacing=28).configure(**theme())


def _by_corruption(curves: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Each corruption's rows by strength; in the order of `CORRUPTIONS`, unknown ones last."""
    tried = known(curves, "strength", "rate", "low", "high").sort("strength")
    order = {name: place for place, name in enumerate(CORRUPTIONS)}
    names = sorted(tried["corruption"].unique(), key=lambda name: (order.get(name, 99), name))
    return [(name, tried.filter(pl.col("corruption") == name)) for name in names]


def _panel(rates: pl.DataFrame, corruption: str, width: int, height: int) -> ChartType:
    strengths = rates["strength"].to_list()
    low, high = min(strengths), max(strengths)
    if low == high:
        domain = [low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)]
        axis = alt.Axis(values=[low])
    else:
        domain = [min(0.0, low), high + 0.04 * (high - low)]
        axis = alt.Axis(tickCount=4)
    x = alt.X(
        "strength:Q",
        scale=alt.Scale(domain=domain, nice=False),
        axis=axis,
        title=strength_name(corruption),
    )
    y_scale = alt.Scale(domain=[0, 1])
    y_axis = alt.Axis(format="%", values=[0, 0.5, 1])
    base = alt.Chart(chart_data(rates, 5))
    colour = COLOURS["stored"]
    y = alt.Y("rate:Q", scale=y_scale, axis=y_axis, title=None)
    band = base.mark_area(color=colour, opacity=0.18).encode(
        x=x, y=alt.Y("low:Q", scale=y_scale, axis=y_axis, title=None), y2="high:Q"
    )
    whiskers = base.mark_rule(color=colour, strokeWidth=1.5).encode(
        x=x, y=alt.Y("low:Q", scale=y_scale, axis=y_axis, title=None), y2="high:Q"
    )
    line = base.mark_line(color=colour, strokeWidth=2).encode(x=x, y=y)
    points = base.mark_point(color=colour, filled=True, size=55, opacity=1).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("strength:Q", title=strength_name(corruption)),
            alt.Tooltip("rate:Q", title="recalled", format=".1%"),
            alt.Tooltip("low:Q", title="95% from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("recalled:Q", title="count"),
            alt.Tooltip("trials:Q", title="trials"),
        ],
    )
    layers = [whiskers, points] if low == high else [band, whiskers, line, points]
    name = corruption_name(corruption)
    return alt.layer(*layers).properties(
        width=width, height=height, title=name[:1].upper() + name[1:]
    )
