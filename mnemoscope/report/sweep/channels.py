"""The axes and colors of a sweep's charts."""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from mnemoscope.base.quantity import Quantity
from mnemoscope.plots.theme import CATEGORIES, COLOURS
from mnemoscope.report.sweep.factors import Factor, written
from mnemoscope.report.sweep.runs import colour, is_share

MAX_LABELS = 12
"""Levels along a horizontal axis that are all labelled, and numbers that all have a tick."""

LEGEND_ROOM, LEGEND_LABEL = 370, 220
"""Pixels that a legend and the longest of its labels may take."""

RAMP = ((58, 131, 208), (83, 168, 163), (224, 172, 43), (221, 95, 30))
"""From a factor's lowest number to its highest, through hues for light and for dark paper."""

RESOLVED = 1e-5
"""The least relative difference that is drawn as one, some steps of the digits."""

DECADES = 100
"""Ratio of the largest mean to the smallest above which means are drawn on a log axis."""

NONE = "none of them"
SHADES = (0.25, 0.5, 1.0)
"""Shares whose shade the legend shows."""

_BARE: dict[str, Any] = {"labelLimit": 150, "grid": False, "ticks": False, "domain": False}


def across(channel: str, factor: Factor) -> alt.X:
    """Returns a horizontal axis with a place for each level, in order."""
    # About seven pixels a character: labels that do not fit side by side are written aslant.
    wide = max(map(len, factor.labels)) * len(factor.labels) * 7 > 220
    labels = list(factor.labels)
    axis = alt.Axis(
        **_BARE,
        labelAngle=-55 if wide else 0,
        labelOverlap=False if len(labels) <= MAX_LABELS else "greedy",
    )
    scale = alt.Scale(domain=labels)
    return alt.X(f"{channel}:O", sort=labels, scale=scale, axis=axis, title=factor.title)


def upwards(channel: str, factor: Factor) -> alt.Y:
    """Returns a vertical axis with a place for each level: numbers upwards, names downwards."""
    labels = list(reversed(factor.labels) if factor.has_axis else factor.labels)
    axis, scale = alt.Axis(**_BARE, labelOverlap=False), alt.Scale(domain=labels)
    return alt.Y(f"{channel}:O", sort=labels, scale=scale, axis=axis, title=factor.title)


def numbers_across(factor: Factor, *, crowded: bool) -> alt.X:
    """Returns an axis of numbers, linear or of ratios; crowded labels keep within its ends."""
    places = factor.places
    ticks: dict[str, Any] = {"format": ".6~g", "tickCount": 6}
    if not factor.ranges and len(places) <= MAX_LABELS:
        # Each tick is written as the level is everywhere else.
        labels = json.dumps([written(place) for place in places])
        ticks = {"values": places, "labelExpr": f"{labels}[indexof({places}, datum.value)]"}
    kind = "log" if factor.logarithmic else "linear"
    scale = alt.Scale(type=kind, domain=[places[0], places[-1]], nice=False)
    axis = alt.Axis(grid=False, labelFlush=crowded, **ticks)
    return alt.X("x_at:Q", scale=scale, axis=axis, title=factor.words)


def vertical_axis(
    quantity: Quantity, marks: pl.DataFrame
) -> tuple[alt.Scale, alt.Axis, tuple[float, float] | None]:
    """Returns the vertical axis of a quantity, and the ends at which intervals are cut.

    A wide interval of two or three runs must not press all means into a line: it is cut where it
    is further from all means than these are from each other. Positive means over more than two
    decades get an axis of ratios, at whose foot an interval is cut that reaches 0.
    """
    rates = marks["rate"].drop_nulls().to_list()
    if is_share(quantity) or not rates:
        return alt.Scale(domain=[0, 1]), alt.Axis(format="%", values=[0, 0.5, 1]), None
    least, most = min(rates), max(rates)
    log = _logarithmic(least, most)
    even = most - least <= RESOLVED * max(abs(least), abs(most))
    slack = (most / least) ** 0.5 if log else float("inf") if even else most - least
    bottom, top = (least / slack, most * slack) if log else (least - slack, most + slack)
    low = min(max(min([least, *marks["low"].drop_nulls()]), bottom), least)
    high = max(min(max([most, *marks["high"].drop_nulls()]), top), most)
    largest = max(abs(low), abs(high))
    # Differences by rounding alone would fill the axis, with numbers that cannot be written.
    if not log and high - low <= RESOLVED * largest:
        low, high = low - (largest or 1) / 2, high + (largest or 1) / 2
    ends: dict[str, Any] = {"domain": [low, high], "nice": False}
    # Only an axis that is not of ratios has a zero to leave out.
    scale = alt.Scale(type="log", **ends) if log else alt.Scale(zero=False, **ends)
    return scale, alt.Axis(format="~g", tickCount=5), (low, high)


def _logarithmic(least: float, most: float) -> bool:
    return least > 0 and most / least > DECADES


def shaded(quantity: Quantity, marks: pl.DataFrame) -> alt.Color:
    """Returns the fill of cells by their rate.

    Shares are on one scale; means reach from the least to the largest, in ratios over decades.
    """
    if is_share(quantity):
        scale, values, format = alt.Scale(domain=[0, 1]), [0, 0.5, 1], "%"
    else:
        known = marks["rate"].drop_nulls().to_list() or [0.0]
        least, most = min(known), max(known)
        log = _logarithmic(least, most)
        if least == most:
            most += abs(most) or 1
        values = [least, (least * most) ** 0.5 if log else (least + most) / 2, most]
        scale, format = alt.Scale(type="log" if log else "linear", domain=[least, most]), ".3~g"
    # The paper shows through a small share, so that one scale serves light and dark pages.
    red, green, blue = (int(colour(quantity)[at : at + 2], 16) for at in (1, 3, 5))
    scale.range = [f"rgba({red},{green},{blue},{opacity})" for opacity in (0.04, 1)]
    legend = alt.Legend(gradientLength=140, gradientThickness=8, format=format, values=values)
    return alt.Color("rate:Q", scale=scale, legend=legend)


def kinds(quantities: Sequence[Quantity], *, legend: bool) -> dict[str, Any]:
    """Returns the fill of cells by the largest share, stronger the larger it is."""
    colours = {one.name: colour(one) for one in quantities} | {NONE: COLOURS["none"]}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    shades = alt.Legend(
        title="how large",
        format="%",
        values=list(SHADES),
        symbolType="square",
        symbolFillColor=COLOURS["none"],
        symbolStrokeWidth=0,
        columns=len(SHADES),
    )
    strength = alt.Scale(domain=[0, 1], range=[0.08, 1])
    return {
        "color": alt.Color("what:N", scale=scale, legend=alt.Legend(title="largest share")),
        "opacity": alt.Opacity("rate:Q", scale=strength, legend=shades if legend else None),
    }


def lines(channel: str, colours: dict[str, str], heading: str | None) -> alt.Color:
    """Returns the colors of lines, with their legend."""
    longest = min(LEGEND_LABEL, 6 * max(map(len, colours)))
    # Without an opacity of its own a legend takes the faintness of the bands.
    legend = alt.Legend(
        title=heading,
        symbolOpacity=1,
        symbolType="circle",
        labelLimit=LEGEND_LABEL,
        columns=max(1, min(6, LEGEND_ROOM // (longest + 36))),
    )
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{channel}:N", scale=scale, legend=legend)


def level_colours(factor: Factor) -> dict[str, str]:
    """Returns a color for each level: along the ramp for numbers, distinct for text."""
    count = len(factor.labels)
    if factor.names or not factor.numeric:
        return dict(zip(factor.labels, CATEGORIES, strict=False))
    return {label: _ramp(at / max(1, count - 1)) for at, label in enumerate(factor.labels)}


def _ramp(part: float) -> str:
    at = part * (len(RAMP) - 1)
    left = min(int(at), len(RAMP) - 2)
    mixed = (
        round(a + (b - a) * (at - left)) for a, b in zip(RAMP[left], RAMP[left + 1], strict=True)
    )
    return "#" + "".join(f"{value:02x}" for value in mixed)
