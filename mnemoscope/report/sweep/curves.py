"""Shares against one factor: lines with bands, coloured by another factor."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.report.charts.theme import CATEGORIES, theme
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.marks import (
    across,
    inline,
    linked,
    pointed,
    share_marks,
    share_tooltip,
)
from mnemoscope.report.sweep.shares import Share, leading_share
from mnemoscope.report.sweep.tables import SweepTables

MOST_COLOURS = len(CATEGORIES)
LEGEND_ROOM, LEGEND_LABEL = 300, 220
"""Pixels that a legend and the longest of its labels may take."""

RAMP = ((58, 131, 208), (83, 168, 163), (224, 172, 43), (221, 95, 30))
"""From a factor's lowest number to its highest, through hues that light and dark paper bear."""


def curves(tables: SweepTables) -> dict[tuple[str, str], ChartType]:
    """The leading share against each numeric factor, coloured by each other of few levels.

    Args:
        tables: The counts of a sweep.

    Returns:
        The charts by the names of the factor along the axis and of the one in colour.
    """
    share = leading_share(tables.shares)
    places = {factor.name: place for place, factor in enumerate(tables.factors)}
    return {
        (x.name, by.name): coloured_curves(
            tables.pools[tuple(sorted((x.name, by.name), key=places.__getitem__))], share, x, by
        )
        for x, by in product(tables.factors, tables.factors)
        if x is not by and x.on_an_axis and len(by.labels) <= MOST_COLOURS
    }


def coloured_curves(
    pool: pl.DataFrame, share: Share, x: Factor, by: Factor, *, width: int = 300, height: int = 190
) -> ChartType:
    """One share against a numeric factor, a line for each level of another.

    Args:
        pool: Counts by both factors.
        share: What is drawn.
        x: The factor along the axis.
        by: The factor in colour.
        width: In pixels.
        height: In pixels.
    """
    placed = {"x": x, "colour": by}
    marks = _known(share_marks(pool, share, placed))
    colours = alt.Scale(domain=list(by.labels), range=level_colours(by))
    colour = alt.Color("colour:N", scale=colours, legend=_legend(by.title, by.labels))
    lines = banded(alt.Chart(inline(marks)), marks, x, share.title, color=colour,
                   tooltip=share_tooltip(share, placed))  # fmt: skip
    return alt.layer(*lines).properties(width=width, height=height).configure(**theme())


def share_curves(
    pool: pl.DataFrame,
    shares: Sequence[Share],
    x: Factor,
    *,
    width: int = 480,
    height: int = 240,
) -> ChartType:
    """Several shares against one factor, a line for each; points alone if the factor is text.

    Args:
        pool: Counts by the factor.
        shares: What is drawn, each in its colour.
        x: The factor along the axis.
        width: In pixels.
        height: In pixels.
    """
    placed = {"x": x}
    marks = pl.concat(
        [
            share_marks(pool, share, placed).with_columns(share=pl.lit(share.name))
            for share in shares
        ]
    )
    marks = _known(marks) if x.on_an_axis else marks.filter(pl.col("rate").is_not_null())
    colours = alt.Scale(
        domain=[share.name for share in shares], range=[share.colour for share in shares]
    )
    told = share_tooltip(shares[0], placed)
    told[len(placed)] = alt.Tooltip("rate:Q", title="share", format=".1%")
    told.insert(0, alt.Tooltip("share:N", title="of"))
    legend = _legend(None, [share.name for share in shares])
    colour = alt.Color("share:N", scale=colours, legend=legend)
    base = alt.Chart(inline(marks))
    lines = banded(base, marks, x, "share", color=colour, tooltip=told)
    return alt.layer(*lines).properties(width=width, height=height).configure(**theme())


def banded(
    base: alt.Chart, marks: pl.DataFrame, x: Factor, title: str | None, *,
    tooltip: list[alt.Tooltip], **colour: Any,
) -> list[alt.Chart]:  # fmt: skip
    """A line through points with the band of their intervals; rules and points over text.

    Args:
        base: With the marks as data, or with none where a facet has them.
        marks: The same as a table.
        x: The factor along the axis.
        title: Of the vertical axis, if it has one.
        tooltip: What a point tells.
        colour: The channel or the mark's own colour, as `color`.

    Returns:
        The layers, from below.
    """
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="%", values=[0, 0.5, 1])
    y = alt.Y("rate:Q", scale=scale, axis=axis, title=title)
    ends = alt.Y("low:Q", scale=scale, axis=axis, title=title)
    continuous = x.on_an_axis
    base = base.encode(x=quantitative(x) if continuous else across("x", x), **colour)
    points = base.mark_point(filled=True, size=42, opacity=1, **pointed(marks)).encode(
        y=y, tooltip=tooltip, **linked(marks)
    )
    if not continuous:
        return [base.mark_rule(strokeWidth=1.5).encode(y=ends, y2="high:Q"), points]
    band = base.mark_area(opacity=0.13).encode(y=ends, y2="high:Q")
    return [band, base.mark_line(strokeWidth=1.8).encode(y=y), points]


def quantitative(factor: Factor) -> alt.X:
    """An axis of numbers, in ratios if that is read better, with a tick at each level of a few."""
    placed = [place for place in factor.positions if place is not None]
    ticks: dict[str, Any] = {} if factor.binned or len(placed) > 12 else {"values": placed}
    scale = alt.Scale(
        type="log" if factor.logarithmic else "linear",
        domain=[min(placed), max(placed)], nice=False,
    )  # fmt: skip
    axis = alt.Axis(format=".6~g", tickCount=6, grid=False, **ticks)
    return alt.X("x_at:Q", scale=scale, axis=axis, title=factor.title)


def level_colours(factor: Factor) -> list[str]:
    """A colour for each level: along the ramp for numbers, apart from each other for text."""
    count = len(factor.labels)
    if not factor.numeric:
        return list(CATEGORIES[:count])
    return [_ramp(place / max(1, count - 1)) for place in range(count)]


def _legend(title: str | None, labels: Sequence[str]) -> alt.Legend:
    longest = min(LEGEND_LABEL, 6 * max(map(len, labels)))
    # Without an opacity of its own a legend takes the faintness of the bands.
    return alt.Legend(
        title=title, symbolOpacity=1, symbolType="circle", labelLimit=LEGEND_LABEL,
        columns=max(1, min(6, LEGEND_ROOM // (longest + 36))),
    )  # fmt: skip


def _ramp(part: float) -> str:
    at = part * (len(RAMP) - 1)
    left = min(int(at), len(RAMP) - 2)
    mixed = (
        round(a + (b - a) * (at - left)) for a, b in zip(RAMP[left], RAMP[left + 1], strict=True)
    )
    return "#" + "".join(f"{value:02x}" for value in mixed)


def _known(marks: pl.DataFrame) -> pl.DataFrame:
    """The marks that have a place and a rate, along the axis."""
    return marks.filter(pl.col("rate").is_not_null(), pl.col("x_at").is_not_null()).sort("x_at")
