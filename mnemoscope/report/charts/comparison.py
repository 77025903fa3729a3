"""Recall before and after, against the strength of a corruption."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.rows import chart_data, known
from mnemoscope.plots.theme import COLOURS, theme
from mnemoscope.report.words import CORRUPTIONS, corruption_name, strength_name

SIDES = {"before": COLOURS["not_stored"], "after": COLOURS["stored"]}
"""The colour of each audit: grey for what was, blue for what is."""


def recall_change_panels(
    before: pl.DataFrame, after: pl.DataFrame, *, width: int = 220, height: int = 150
) -> dict[str, ChartType]:
    """A chart for each corruption that both audits tried: both rates with their 95% intervals.

    Args:
        before: `Audit.curves` of the first audit.
        after: Of the second.
        width: Of a chart, in pixels.
        height: Of a chart, in pixels.
    """
    tried = [
        known(curves, "strength", "rate", "low", "high").with_columns(audit=pl.lit(side))
        for side, curves in zip(SIDES, (before, after), strict=True)
    ]
    both = set(tried[0]["corruption"]) & set(tried[1]["corruption"])
    rates = pl.concat(tried).sort("strength")
    order = {name: place for place, name in enumerate(CORRUPTIONS)}
    return {
        corruption: _panel(
            rates.filter(pl.col("corruption") == corruption), corruption, width, height
        ).configure(**theme())
        for corruption in sorted(both, key=lambda name: (order.get(name, len(order)), name))
    }


def _panel(rates: pl.DataFrame, corruption: str, width: int, height: int) -> ChartType:
    largest = max(rates["strength"])
    x = alt.X(
        "strength:Q",
        scale=alt.Scale(domain=[0, 1.04 * largest], nice=False),
        axis=alt.Axis(tickCount=4),
        title=strength_name(corruption),
    )
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="%", values=[0, 0.5, 1])
    y = alt.Y("rate:Q", scale=scale, axis=axis, title=None)
    ends = alt.Y("low:Q", scale=scale, axis=axis, title=None)
    colour = alt.Color(
        "audit:N",
        scale=alt.Scale(domain=list(SIDES), range=list(SIDES.values())),
        legend=None,
    )
    base = alt.Chart(chart_data(rates, 5))
    band = base.mark_area(opacity=0.18).encode(x=x, y=ends, y2="high:Q", color=colour)
    whiskers = base.mark_rule(strokeWidth=1.5).encode(x=x, y=ends, y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour)
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            alt.Tooltip("audit:N", title="audit"),
            alt.Tooltip("strength:Q", title=strength_name(corruption)),
            alt.Tooltip("rate:Q", title="recalled", format=".1%"),
            alt.Tooltip("low:Q", title="95% from", format=".1%"),
            alt.Tooltip("high:Q", title="to", format=".1%"),
            alt.Tooltip("recalled:Q", title="count"),
            alt.Tooltip("trials:Q", title="trials"),
        ],
    )
    name = corruption_name(corruption)
    return alt.layer(band, whiskers, line, points).properties(
        width=width, height=height, title=name[:1].upper() + name[1:]
    )
