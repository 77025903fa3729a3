"""A share against two factors as a heat map, all others pooled."""

from itertools import combinations
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.theme import theme
from mnemoscope.report.sweep.curves import logarithmic
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.marks import (
    NO_RUN,
    STAR,
    across,
    inline,
    key_of_few,
    linked,
    pointed,
    share_marks,
    share_tooltip,
    upwards,
)
from mnemoscope.report.sweep.measured import Number, Quantity
from mnemoscope.report.sweep.tables import SweepTables

OF_PAIRS = ("stored", "contractive", "interpolated")
"""The shares that each pair of factors has a map of."""

CELL_HEIGHT = 24
SHORTEST = 96
MOST_NUMBERED = 8
"""Columns whose cells are wide enough for a percentage."""

MOST_LONG_NUMBERED = 5
"""Those that are wide enough for any number."""


def pair_maps(tables: SweepTables) -> dict[tuple[str, str], dict[str, ChartType]]:
    """For each pair of factors a heat map of each share in `OF_PAIRS` that was measured.

    Args:
        tables: The counts of a sweep.
    """
    return {
        (x.name, y.name): {
            name: share_map(tables.pools[x.name, y.name], tables.shares[name], x, y)
            for name in OF_PAIRS
            if name in tables.shares
        }
        for x, y in combinations(tables.factors, 2)
        if tables.crossed(x, y)
    }


def share_map(
    pool: pl.DataFrame, share: Quantity, x: Factor, y: Factor, *, width: int = 240
) -> ChartType:
    """A heat map of one share or number; a cross where no run counts, nothing where none was run.

    A star marks a cell of few of its runs.

    Args:
        pool: Counts by both factors.
        share: What is drawn.
        x: The factor along the horizontal axis.
        y: Along the vertical one.
        width: In pixels.
    """
    placed = {"x": x, "y": y}
    marks = share_marks(pool, share, placed).drop("x_at", "y_at")
    number = isinstance(share, Number)
    scale, legend = _of_numbers(marks) if number else _of_shares()
    # The paper shows through a small share, so that one scale is right in the light and the dark.
    red, green, blue = (int(share.colour[at : at + 2], 16) for at in (1, 3, 5))
    scale.range = [f"rgba({red},{green},{blue},{opacity})" for opacity in (0.04, 1)]
    colour = alt.Color("rate:Q", scale=scale, legend=legend)
    data, tooltip = inline(marks), share_tooltip(share, placed)
    height = max(SHORTEST, CELL_HEIGHT * len(y.labels))
    base = alt.Chart(data).encode(
        x=across("x", x), y=upwards("y", y), tooltip=tooltip, **linked(marks)
    )
    layers, title = cell_layers(base, marks, colour), share.title.capitalize()
    if len(x.labels) <= (MOST_LONG_NUMBERED if number else MOST_NUMBERED):
        told = "format(datum.rate, '.3~g')" if number else "format(100 * datum.rate, '.0f')"
        layers.append(_numbers(base, marks, told))
        title += "" if number else ", in percent"
    else:
        layers += stars(base, marks)
    chart = alt.layer(*layers).properties(
        width=width, height=height, **key_of_few(marks, title, STAR)
    )
    return chart.configure(**theme())


def _of_shares() -> tuple[alt.Scale, alt.Legend]:
    return alt.Scale(domain=[0, 1]), _ramp_legend(format="%", values=[0, 0.5, 1])


def _of_numbers(marks: pl.DataFrame) -> tuple[alt.Scale, alt.Legend]:
    """From the least mean to the largest, in ratios where these span decades."""
    known = marks["rate"].drop_nulls().to_list() or [0.0]
    least, most = min(known), max(known)
    log = logarithmic(least, most)
    if least == most:
        most += abs(most) or 1
    values = [least, (least * most) ** 0.5 if log else (least + most) / 2, most]
    scale = alt.Scale(type="log" if log else "linear", domain=[least, most])
    return scale, _ramp_legend(format=".3~g", values=values)


def _ramp_legend(**told: Any) -> alt.Legend:
    return alt.Legend(gradientLength=140, gradientThickness=8, **told)


def _numbers(base: alt.Chart, marks: pl.DataFrame, told: str) -> alt.Chart:
    """The rate in each cell; ink stands on the darkest of them, and it fits the dark page too."""
    if marks["few"].null_count() < marks.height:
        told += f" + (datum.few ? '{STAR}' : '')"
    numbers = base.transform_filter("isValid(datum.rate)").transform_calculate(number=told)
    return numbers.mark_text(
        style="reference-label", fillOpacity=1, fontSize=10, **pointed(marks)
    ).encode(text=alt.Text("number:N"))


def stars(base: alt.Chart, marks: pl.DataFrame) -> list[alt.Chart]:
    """A star in each cell of few of its runs, if there are any.

    Args:
        base: With its axes, and the marks as data unless a facet has them.
        marks: As a table.
    """
    if marks["few"].null_count() == marks.height:
        return []
    few = base.transform_filter("datum.few && isValid(datum.rate)")
    return [
        few.mark_text(
            style="reference-label", text=STAR, fillOpacity=1, fontSize=12, dy=2, **pointed(marks)
        )
    ]


def cells(
    data: alt.InlineData, marks: pl.DataFrame, colour: alt.Color, tooltip: list[alt.Tooltip],
    x: Factor, y: Factor, width: int, *, height: int, opacity: alt.Opacity | None = None,
) -> ChartType:  # fmt: skip
    """Cells with their colour, and crosses where the rate is not known.

    Args:
        data: The marks, with `x`, `y`, `rate` and `href` if they lead anywhere.
        marks: The same as a table.
        colour: Of a cell.
        tooltip: What a cell tells.
        x: The horizontal factor.
        y: The vertical one.
        width: In pixels.
        height: In pixels.
        opacity: Of a cell.
    """
    base = alt.Chart(data).encode(
        x=across("x", x), y=upwards("y", y), tooltip=tooltip, **linked(marks)
    )
    layers = [*cell_layers(base, marks, colour, opacity), *stars(base, marks)]
    return (
        alt.layer(*layers)
        .properties(width=width, height=height, **key_of_few(marks, None, STAR))
        .configure(**theme())
    )


def cell_layers(
    base: alt.Chart, marks: pl.DataFrame, colour: alt.Color, opacity: alt.Opacity | None = None
) -> list[alt.Chart]:
    """Filled cells, and crosses where the rate is not known.

    Args:
        base: With its axes, and the marks as data unless a facet has them.
        marks: As a table.
        colour: Of a cell.
        opacity: Of a cell.
    """
    filled = (
        base.transform_filter("isValid(datum.rate)")
        .mark_rect(style="reference", strokeOpacity=0.15, strokeWidth=0.5, **pointed(marks))
        .encode(color=colour, opacity=alt.Undefined if opacity is None else opacity)
    )
    crosses = base.transform_filter("!isValid(datum.rate)").mark_text(
        style="reference-label", text=NO_RUN, fontSize=13, **pointed(marks)
    )
    return [filled, crosses]
