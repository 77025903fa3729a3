"""The marks of a sweep's charts: pooled counts with their labels, and what a tooltip tells."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from mnemoscope.report.charts.rows import chart_data
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.shares import Share
from mnemoscope.report.sweep.tables import rated

ANYWHERE = "#runs"
"""Where a mark leads of which no run is listed."""

MOST_LABELS = 12
"""Levels along a horizontal axis that are all labelled."""

NO_RUN = "×"
"""Marks a cell in which no run counts for the share."""


def share_marks(pool: pl.DataFrame, share: Share, placed: Mapping[str, Factor]) -> pl.DataFrame:
    """A row for each mark: the share's rate and interval, the counts, and a label for each channel.

    Args:
        pool: Counts by the factors.
        share: What is drawn.
        placed: The factor that each channel tells, by the channel's name.

    Returns:
        Each channel's label, and under `<channel>_at` its position; `rate, low, high, runs` (that
        count), `not_interpolated`, and `href` if the pool has links.
    """
    counts = rated(pool, share.name)
    columns = ["rate", "low", "high", "runs", "not_interpolated"]
    columns += ["href"] * ("href" in pool.columns)
    marks = counts.with_columns(pl.col("count:not_interpolated").alias("not_interpolated"))
    if "href" in columns:
        marks = marks.with_columns(pl.col("href").fill_null(ANYWHERE))
    return labelled(marks, placed).select(
        *placed, *(f"{channel}_at" for channel in placed), *columns
    )


def labelled(counts: pl.DataFrame, placed: Mapping[str, Factor]) -> pl.DataFrame:
    """The counts with the label, and the position, of each channel's level."""
    return counts.with_columns(
        *(factor.told(counts[factor.name]).alias(channel) for channel, factor in placed.items()),
        *(
            pl.Series(factor.positions, dtype=pl.Float64)
            .gather(counts[factor.name])
            .alias(f"{channel}_at")
            for channel, factor in placed.items()
        ),
    )


def inline(marks: pl.DataFrame) -> alt.InlineData:
    """The marks as inline data, without the positions of text."""
    empty = [name for name in marks.columns if marks[name].null_count() == marks.height]
    return chart_data(marks.drop(empty), 4)


def share_tooltip(share: Share, placed: Mapping[str, Factor]) -> list[alt.Tooltip]:
    """The levels, the rate with its interval, and the runs behind it."""
    return [
        *(alt.Tooltip(f"{channel}:N", title=factor.title) for channel, factor in placed.items()),
        alt.Tooltip("rate:Q", title=share.title, format=".1%"),
        alt.Tooltip("low:Q", title="95% from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("runs:Q", title="runs that count"),
        alt.Tooltip("not_interpolated:Q", title="did not interpolate"),
    ]


def linked(marks: pl.DataFrame) -> dict[str, Any]:
    """The channel that leads to a run, if the marks have links."""
    return {"href": alt.Href("href:N")} if "href" in marks.columns else {}


def pointed(marks: pl.DataFrame) -> dict[str, Any]:
    """The look of the pointer over a mark that leads to a run."""
    return {"cursor": "pointer"} if "href" in marks.columns else {}


def across(channel: str, factor: Factor) -> alt.X:
    """A horizontal axis with a place for each level, in order."""
    # About seven pixels a character: what does not fit beside its neighbour is written aslant.
    wide = max(map(len, factor.labels)) * len(factor.labels) * 7 > 220
    labels = list(factor.labels)
    axis = alt.Axis(
        **_BARE,
        labelAngle=-55 if wide else 0,
        labelOverlap=False if len(labels) <= MOST_LABELS else "greedy",
    )
    return alt.X(f"{channel}:O", sort=labels, scale=alt.Scale(domain=labels), axis=axis,
                 title=factor.title)  # fmt: skip


def upwards(channel: str, factor: Factor) -> alt.Y:
    """A vertical axis with a place for each level, from the lower left corner as in a diagram."""
    labels = list(reversed(factor.labels))
    axis = alt.Axis(**_BARE, labelOverlap=False)
    return alt.Y(f"{channel}:O", sort=labels, scale=alt.Scale(domain=labels), axis=axis,
                 title=factor.title)  # fmt: skip


_BARE: dict[str, Any] = {"labelLimit": 120, "grid": False, "ticks": False, "domain": False}
