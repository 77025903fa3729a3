"""Shares against one factor: lines with bands, coloured by another factor."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.theme import CATEGORIES, theme
from mnemoscope.report.sweep.factors import Factor, written
from mnemoscope.report.sweep.marks import (
    across,
    inline,
    key_of_few,
    linked,
    pointed,
    share_marks,
    share_tooltip,
)
from mnemoscope.report.sweep.measured import Quantity
from mnemoscope.report.sweep.shares import Share, leading_share
from mnemoscope.report.sweep.tables import SweepTables

MOST_COLOURS = len(CATEGORIES)
MOST_BANDS = 4
"""More bands of intervals over each other cannot be told apart."""

MOST_TICKS = 12
LEGEND_ROOM, LEGEND_LABEL = 370, 220
"""Pixels that a legend and the longest of its labels may take."""

RAMP = ((58, 131, 208), (83, 168, 163), (224, 172, 43), (221, 95, 30))
"""From a factor's lowest number to its highest, through hues that light and dark paper bear."""


HOLLOW = "○"
"""What a point of few of its runs looks like."""

DIGITS = 7
RESOLVED = 1e-5
"""The least relative difference that is drawn as one, some steps of the digits."""

DECADES = 100
"""Means are drawn on an axis of ratios where the largest is so many times the least."""


@dataclass(frozen=True)
class Vertical:
    """The axis that a rate stands on.

    Attributes:
        scale: From what to what.
        axis: How it is written.
        low: The column of an interval's lower end, as it is drawn.
        high: That of its upper end.
    """

    scale: alt.Scale
    axis: alt.Axis
    low: str = "low"
    high: str = "high"


OF_SHARES = Vertical(alt.Scale(domain=[0, 1]), alt.Axis(format="%", values=[0, 0.5, 1]))


def curves(tables: SweepTables) -> dict[tuple[str, str], ChartType]:
    """The leading share against each numeric factor, coloured by each other of few levels.

    Numbers that belong to names, such as rates to optimizers, are coloured by these alone.

    Args:
        tables: The counts of a sweep.

    Returns:
        The charts by the names of the factor along the axis and of the one in colour.
    """
    share = leading_share(tables.shares)
    places = {factor.name: place for place, factor in enumerate(tables.factors)}
    return {
        (x.name, by.name): coloured_curves(
            tables.pools[tuple(sorted((x.name, by.name), key=places.__getitem__))],
            share,
            replace(x, within=()),
            by,
        )
        for x, by in product(tables.factors, tables.factors)
        if x is not by and len(by.labels) <= MOST_COLOURS and comparable(tables, x, by)
    }


def comparable(tables: SweepTables, x: Factor, by: Factor) -> bool:
    """Whether each line goes through numbers that differ in nothing but what is on the axis.

    Args:
        tables: The counts of a sweep.
        x: The factor along the axis.
        by: The factor in colour.
    """
    if by.name in x.within:
        return replace(x, within=()).on_an_axis and len(x.labels) > len(by.labels)
    return x.on_an_axis and tables.crossed(x, by)


def coloured_curves(
    pool: pl.DataFrame,
    share: Quantity,
    x: Factor,
    by: Factor,
    *,
    width: int = 300,
    height: int = 190,
) -> ChartType:
    """One share or number against a factor, a line for each level of another.

    Args:
        pool: Counts by both factors.
        share: What is drawn.
        x: The factor along the axis.
        by: The factor in colour.
        width: In pixels.
        height: In pixels.
    """
    placed = {"x": x, "colour": by}
    marks, up = upright(_known(share_marks(pool, share, placed), x), share)
    colours = alt.Scale(domain=list(by.labels), range=level_colours(by))
    colour = alt.Color("colour:N", scale=colours, legend=_legend(by.title, by.labels))
    lines = banded(alt.Chart(inline(marks, digits_of(share))), marks, x, share.title, color=colour,
                   bands=len(by.labels) <= MOST_BANDS, beside=("colour", by.labels), up=up,
                   tooltip=share_tooltip(share, placed))  # fmt: skip
    return (
        alt.layer(*lines)
        .properties(width=width, height=height, **key_of_few(marks, None, HOLLOW))
        .configure(**theme())
    )


def plain_curve(
    pool: pl.DataFrame, share: Quantity, x: Factor, *, width: int = 300, height: int = 190
) -> ChartType:
    """One share or number against a factor, all others pooled.

    Args:
        pool: Counts by the factor.
        share: What is drawn.
        x: The factor along the axis.
        width: In pixels.
        height: In pixels.
    """
    placed = {"x": x}
    marks, up = upright(_known(share_marks(pool, share, placed), x), share)
    lines = banded(alt.Chart(inline(marks, digits_of(share))), marks, x, share.title, up=up,
                   color=alt.value(share.colour), tooltip=share_tooltip(share, placed))  # fmt: skip
    return (
        alt.layer(*lines)
        .properties(width=width, height=height, **key_of_few(marks, None, HOLLOW))
        .configure(**theme())
    )


def upright(marks: pl.DataFrame, quantity: Quantity) -> tuple[pl.DataFrame, Vertical]:
    """The marks with the ends of intervals as they are drawn, and the axis they stand on.

    A wide interval of two or three runs must not press all means into a line: it is cut where it
    is further from all means than these are from each other; positive means over more than two
    decades stand on an axis of ratios, at whose foot an interval is cut that reaches 0.

    Args:
        marks: With `rate`, `low` and `high`; a row for each mark that is drawn.
        quantity: What is drawn.
    """
    rates = marks["rate"].drop_nulls()
    if isinstance(quantity, Share) or rates.is_empty():
        return marks, OF_SHARES
    least, most = (float(end) for end in (rates.min(), rates.max()))  # pyright: ignore[reportArgumentType]
    log = logarithmic(least, most)
    even = most - least <= RESOLVED * max(abs(least), abs(most))
    slack = (most / least) ** 0.5 if log else float("inf") if even else most - least
    bottom, top = (least / slack, most * slack) if log else (least - slack, most + slack)
    ends = marks.select(
        pl.col("low").clip(bottom, top).min().alias("low"), pl.col("high").max().clip(bottom, top)
    ).row(0)
    low = min(least, least if ends[0] is None else ends[0])
    high = max(most, most if ends[1] is None else ends[1])
    largest = max(abs(low), abs(high))
    # What differs by rounding alone would fill the axis, in numbers that cannot be written.
    if not log and high - low <= RESOLVED * largest:
        low, high = low - (largest or 1) / 2, high + (largest or 1) / 2
    drawn = marks.with_columns(
        foot=pl.col("low").clip(low, high), top=pl.col("high").clip(low, high)
    )
    ends_of = {"domain": [low, high], "nice": False}
    # Only an axis that is not of ratios knows a zero to leave out.
    scale = alt.Scale(type="log", **ends_of) if log else alt.Scale(zero=False, **ends_of)
    axis = alt.Axis(format="~g", tickCount=5)
    return drawn, Vertical(scale, axis, "foot", "top")


def digits_of(quantity: Quantity) -> int:
    """How many digits of a rate are drawn: a number may vary in its last ones alone."""
    return 4 if isinstance(quantity, Share) else DIGITS


def logarithmic(least: float, most: float) -> bool:
    """Whether means from the least to the most are read better in ratios."""
    return least > 0 and most / least > DECADES


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
    marks = _known(marks, x)
    colours = alt.Scale(
        domain=[share.name for share in shares], range=[share.colour for share in shares]
    )
    told = share_tooltip(shares[0], placed)
    told[len(placed)] = alt.Tooltip("rate:Q", title="share", format=".1%")
    told.insert(0, alt.Tooltip("share:N", title="of"))
    legend = _legend(None, [share.name for share in shares])
    colour = alt.Color("share:N", scale=colours, legend=legend)
    base = alt.Chart(inline(marks))
    beside = ("share", [share.name for share in shares])
    lines = banded(base, marks, x, "share", color=colour, tooltip=told, beside=beside)
    return (
        alt.layer(*lines)
        .properties(width=width, height=height, **key_of_few(marks, None, HOLLOW))
        .configure(**theme())
    )


def banded(
    base: alt.Chart, marks: pl.DataFrame, x: Factor, title: str | None, *,
    tooltip: list[alt.Tooltip], bands: bool = True, crowded: bool = False,
    up: Vertical = OF_SHARES, beside: tuple[str, Sequence[str]] | None = None, **colour: Any,
) -> list[alt.Chart]:  # fmt: skip
    """A line through points with the band of their intervals; rules and points over text.

    A point of few of its runs is hollow.

    Args:
        base: With the marks as data, or with none where a facet has them.
        marks: The same as a table.
        x: The factor along the axis.
        title: Of the vertical axis, if it has one.
        tooltip: What a point tells.
        bands: Whether lines have them.
        crowded: Whether the labels at the ends of the axis must keep within it.
        up: The vertical axis.
        beside: The channel, and its values in order, whose points over a text stand side by side.
        colour: The channel or the mark's own colour, as `color`.

    Returns:
        The layers, from below.
    """
    y = alt.Y("rate:Q", scale=up.scale, axis=up.axis, title=title)
    ends = alt.Y(f"{up.low}:Q", scale=up.scale, axis=up.axis, title=title)
    continuous = x.on_an_axis
    base = base.encode(x=quantitative(x, crowded) if continuous else across("x", x), **colour)
    if beside is not None and not continuous:
        channel, values = beside
        base = base.encode(xOffset=alt.XOffset(f"{channel}:N", sort=list(values)))
    layers = []
    if bands or not continuous:
        known = base.transform_filter(f"isValid(datum.{up.low})")
        drawn = known.mark_area(opacity=0.13) if continuous else known.mark_rule(strokeWidth=1.5)
        layers.append(drawn.encode(y=ends, y2=f"{up.high}:Q"))
    if continuous:
        layers.append(base.mark_line(strokeWidth=1.8).encode(y=y))
    base = base.encode(y=y, tooltip=tooltip, **linked(marks))
    look: dict[str, Any] = {"size": 42, "opacity": 1, **pointed(marks)}
    if marks["few"].null_count() == marks.height:
        return [*layers, base.mark_point(filled=True, **look)]
    hollow = base.transform_filter("datum.few").mark_point(filled=False, strokeWidth=1.5, **look)
    return [
        *layers,
        base.transform_filter("!datum.few").mark_point(filled=True, **look),
        # What is transparent would not be hovered over; of no colour it is.
        hollow.encode(fill=alt.value("transparent")),
    ]


def quantitative(factor: Factor, crowded: bool) -> alt.X:
    """An axis of numbers, in ratios if that is read better, with a tick at each level of a few.

    Args:
        factor: What is told.
        crowded: Whether the labels at its ends must keep within it.
    """
    placed = [place for place in factor.positions if place is not None]
    few = not factor.binned and len(placed) <= MOST_TICKS
    ticks: dict[str, Any] = _ticks(factor) if few else {"format": ".6~g", "tickCount": 6}
    scale = alt.Scale(
        type="log" if factor.logarithmic else "linear",
        domain=[min(placed), max(placed)], nice=False,
    )  # fmt: skip
    axis = alt.Axis(grid=False, labelFlush=crowded, **ticks)
    return alt.X("x_at:Q", scale=scale, axis=axis, title=factor.words)


def _ticks(factor: Factor) -> dict[str, Any]:
    """A tick at each level, with the number as it is written everywhere else."""
    placed = [place for place in factor.positions if place is not None]
    labels = json.dumps([written(place) for place in placed])
    return {"values": placed, "labelExpr": f"{labels}[indexof({placed}, datum.value)]"}


def level_colours(factor: Factor) -> list[str]:
    """A colour for each level: along the ramp for numbers, apart from each other for text."""
    count = len(factor.labels)
    if factor.within or not factor.numeric:
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


def _known(marks: pl.DataFrame, x: Factor) -> pl.DataFrame:
    """The marks that have a rate, and a place along an axis of numbers."""
    known = marks.filter(pl.col("rate").is_not_null())
    return known.filter(pl.col("x_at").is_not_null()).sort("x_at") if x.on_an_axis else known
