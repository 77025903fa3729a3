"""Small multiples: the leading share against one factor, in panels by the next two."""

from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.report.charts.theme import theme
from mnemoscope.report.sweep.curves import banded
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.happenings import panels_left_out
from mnemoscope.report.sweep.marks import inline, share_marks, share_tooltip
from mnemoscope.report.sweep.shares import leading_share
from mnemoscope.report.sweep.tables import SweepTables

MOST_COLUMNS = 6
MOST_ROWS = 8
ROOM = 760
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
    marks = marks.filter(pl.col("rate").is_not_null(), pl.col("x_at").is_not_null()).sort("x_at")
    facets: dict[str, Any] = {}
    for channel, most in (("column", MOST_COLUMNS), ("row", MOST_ROWS)):
        if channel in placed:
            left_out = panels_left_out(placed[channel], most)
            marks = marks.filter(~pl.col(channel).is_in(left_out))
            facets[channel] = _facet(channel, placed[channel], left_out)
    if not marks.height:
        return None
    lines = banded(alt.Chart(), marks, factors[0], None, color=alt.value(share.colour),
                   tooltip=share_tooltip(share, placed))  # fmt: skip
    return (
        alt.layer(*lines, data=inline(marks))
        .properties(width=min(WIDEST, ROOM // marks["column"].n_unique()), height=96)
        .facet(**facets, spacing=14, title=share.title.capitalize())
        .configure(**theme())
    )


def _facet(channel: str, factor: Factor, left_out: list[str]) -> alt.Column | alt.Row:
    kind = alt.Column if channel == "column" else alt.Row
    kept = [label for label in factor.labels if label not in left_out]
    upright: dict[str, Any] = {} if channel == "column" else {"labelAngle": 0, "labelAlign": "left"}
    header = alt.Header(labelLimit=100, **upright)
    return kind(f"{channel}:N", sort=kept, title=factor.title, header=header)
