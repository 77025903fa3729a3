"""Small multiples: the leading share against one factor, in panels by the next two."""

from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.theme import theme
from mnemoscope.report.sweep.curves import HOLLOW, banded
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.happenings import panels_left_out
from mnemoscope.report.sweep.marks import inline, key_of_few, share_marks, share_tooltip
from mnemoscope.report.sweep.shares import leading_share
from mnemoscope.report.sweep.tables import SweepTables

MOST_COLUMNS = 8
MOST_ROWS = 12
ROOM = 690
"""Pixels that the panels of a row share."""

WIDEST = 220


def multiples_chart(tables: SweepTables) -> ChartType | None:
    """The leading share against the first numeric factor, in panels by the next one or two.

    Args:
        tables: The counts of a sweep.

    Returns:
        The chart; None if no factor is numeric or there is but one factor.
    """
    factors = tables.factors[:3]
    if len(factors) < 2 or not factors[0].on_an_axis:
        return None
    share = leading_share(tables.shares)
    placed: dict[str, Factor] = dict(zip(("x", "column", "row"), factors, strict=False))
    marks = share_marks(tables.pools[tuple(f.name for f in factors)], share, placed)
    marks = marks.filter(pl.col("x_at").is_not_null()).sort("x_at")
    facets: dict[str, Any] = {}
    for channel, most in (("column", MOST_COLUMNS), ("row", MOST_ROWS)):
        if channel in placed:
            left_out = panels_left_out(placed[channel], most)
            marks = marks.filter(~pl.col(channel).is_in(left_out))
            facets[channel] = _facet(channel, placed[channel], left_out)
    if not marks["rate"].count():
        return None
    marks = _whole_grid(marks, list(facets))
    lines = banded(
        alt.Chart(),
        marks,
        factors[0],
        None,
        tooltip=share_tooltip(share, placed),
        crowded=True,
        color=alt.value(share.colour),
    )
    return (
        alt.layer(*lines, data=inline(marks))
        .properties(width=min(WIDEST, ROOM // marks["column"].n_unique()), height=96)
        .facet(**facets, spacing=14)
        .properties(**key_of_few(marks, share.title.capitalize(), HOLLOW))
        .configure(**theme())
    )


def _whole_grid(marks: pl.DataFrame, channels: list[str]) -> pl.DataFrame:
    """The marks, with an empty one in each panel that has none.

    Vega lays panels out one after the other: without these, all after a missing one would stand
    under other headings than their own.
    """
    known = marks.filter(pl.col("rate").is_not_null())
    levels = [marks.select(channel).unique(maintain_order=True) for channel in channels]
    panels = levels[0] if len(levels) == 1 else levels[0].join(levels[1], how="cross")
    empty = panels.join(known, on=channels, how="anti")
    first = marks["x_at"][0]
    return pl.concat([known, empty.with_columns(x_at=pl.lit(first))], how="diagonal")


def _facet(channel: str, factor: Factor, left_out: list[str]) -> alt.Column | alt.Row:
    kind = alt.Column if channel == "column" else alt.Row
    kept = [label for label in factor.labels if label not in left_out]
    # In the middle of wide panels a title would be out of sight on a narrow page.
    look: dict[str, Any] = (
        {"titleAnchor": "start"} if channel == "column" else {"labelAngle": 0, "labelAlign": "left"}
    )
    header = alt.Header(labelLimit=130, **look)
    return kind(f"{channel}:N", sort=kept, title=factor.title, header=header)
