"""A share against two factors as a heat map, all others pooled."""

from itertools import combinations

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.report.charts.theme import theme
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.marks import (
    NO_RUN,
    across,
    inline,
    linked,
    pointed,
    share_marks,
    share_tooltip,
    upwards,
)
from mnemoscope.report.sweep.shares import Share
from mnemoscope.report.sweep.tables import SweepTables

OF_PAIRS = ("stored", "contractive", "interpolated")
"""The shares that each pair of factors has a map of."""

CELL_HEIGHT = 24
SHORTEST = 96


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
    }


def share_map(
    pool: pl.DataFrame, share: Share, x: Factor, y: Factor, *, width: int = 240
) -> ChartType:
    """A heat map of one share; a cross where no run counts, and nothing where nothing was run.

    Args:
        pool: Counts by both factors.
        share: What is drawn.
        x: The factor along the horizontal axis.
        y: Along the vertical one.
        width: In pixels.
    """
    placed = {"x": x, "y": y}
    marks = share_marks(pool, share, placed).drop("x_at", "y_at")
    # The paper shows through a small share, so that one scale is right in the light and the dark.
    red, green, blue = (int(share.colour[at : at + 2], 16) for at in (1, 3, 5))
    ends = [f"rgba({red},{green},{blue},{opacity})" for opacity in (0.04, 1)]
    colour = alt.Color(
        "rate:Q",
        scale=alt.Scale(domain=[0, 1], range=ends),
        legend=alt.Legend(format="%", values=[0, 0.5, 1], gradientLength=140, gradientThickness=8),
    )
    data, tooltip = inline(marks), share_tooltip(share, placed)
    height = max(SHORTEST, CELL_HEIGHT * len(y.labels))
    title = share.title.capitalize()
    return cells(data, marks, colour, tooltip, x, y, width, height=height, title=title)


def cells(
    data: alt.InlineData, marks: pl.DataFrame, colour: alt.Color, tooltip: list[alt.Tooltip],
    x: Factor, y: Factor, width: int, *, height: int, title: str = "", **channels: alt.FillOpacity,
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
        title: Above the chart.
        channels: More that a cell tells.
    """
    base = alt.Chart(data).encode(
        x=across("x", x), y=upwards("y", y), tooltip=tooltip, **linked(marks)
    )
    layers = cell_layers(base, marks, colour, **channels)
    chart = alt.layer(*layers).properties(width=width, height=height)
    return (chart.properties(title=title) if title else chart).configure(**theme())


def cell_layers(
    base: alt.Chart, marks: pl.DataFrame, colour: alt.Color, **channels: alt.FillOpacity
) -> list[alt.Chart]:
    """Filled cells, and crosses where the rate is not known.

    Args:
        base: With its axes, and the marks as data unless a facet has them.
        marks: As a table.
        colour: Of a cell.
        channels: More that a cell tells.
    """
    filled = (
        base.transform_filter("isValid(datum.rate)")
        .mark_rect(style="reference", strokeOpacity=0.15, strokeWidth=0.5, **pointed(marks))
        .encode(color=colour, **channels)
    )
    crosses = base.transform_filter("!isValid(datum.rate)").mark_text(
        style="reference-label", text=NO_RUN, fontSize=13, **pointed(marks)
    )
    return [filled, crosses]
