"""The marks of a sweep's charts: pooled counts with their labels, and what a tooltip tells."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from mnemoscope.plots.rows import chart_data
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.means import averaged
from mnemoscope.report.sweep.measured import Number, Quantity
from mnemoscope.report.sweep.tables import rated

ANYWHERE = "#runs"
"""Where a mark leads of which no run is listed."""

MOST_LABELS = 12
"""Levels along a horizontal axis that are all labelled."""

NO_RUN = "×"
"""Marks a cell in which no run counts for the share."""


ENOUGH = 0.8
"""A mark of a smaller part of its runs is told apart: it is of those that came through."""

FEW = "fewer than 80% of the runs count"
STAR = "*"


def estimated(counts: pl.DataFrame, quantity: Quantity) -> pl.DataFrame:
    """The counts with the quantity's `rate`, its 95% interval from `low` to `high`, and `runs`.

    Args:
        counts: By some factors.
        quantity: A share, or a number, whose rate is its mean.
    """
    if isinstance(quantity, Number):
        return averaged(counts, quantity.name)
    return rated(counts, quantity.name)


def share_marks(pool: pl.DataFrame, share: Quantity, placed: Mapping[str, Factor]) -> pl.DataFrame:
    """A row for each mark: the share's rate and interval, the counts, and a label for each channel.

    Args:
        pool: Counts by the factors.
        share: What is drawn: a share, or a number.
        placed: The factor that each channel tells, by the channel's name.

    Returns:
        Each channel's label, and under `<channel>_at` its position; `rate, low, high, runs` (that
        count), `all_runs`, `not_interpolated`, `few` (true if less than `ENOUGH` of the runs
        count, null otherwise), and `href` if the pool has links.
    """
    counts = estimated(pool, share)
    columns = ["rate", "low", "high", "runs", "all_runs", "not_interpolated", "few"]
    columns += ["href"] * ("href" in pool.columns)
    marks = counts.with_columns(
        pl.col("count:not_interpolated").alias("not_interpolated"),
        pl.col("count:runs").alias("all_runs"),
        few=few_of(pl.col("runs"), pl.col("count:runs")),
    )
    if "href" in columns:
        marks = marks.with_columns(pl.col("href").fill_null(ANYWHERE))
    return labelled(marks, placed).select(
        *placed, *(f"{channel}_at" for channel in placed), *columns
    )


def few_of(runs: pl.Expr, all_runs: pl.Expr) -> pl.Expr:
    """True where less than `ENOUGH` of the runs count, null otherwise."""
    return pl.when(runs < ENOUGH * all_runs).then(True)


def key_of_few(marks: pl.DataFrame, title: str | None, sign: str) -> dict[str, Any]:
    """A chart's title, with what a sign stands for below it if any mark bears the sign.

    Args:
        marks: With `few` and `rate`.
        title: What the chart is called, if it is.
        sign: What such marks bear.
    """
    known = marks.filter(pl.col("rate").is_not_null())
    if known["few"].null_count() == known.height:
        return {} if title is None else {"title": title}
    told = f"{sign} {FEW}"
    if title is None:
        return {"title": alt.TitleParams(text=told, fontSize=11, fontWeight="normal", limit=300)}
    return {"title": alt.TitleParams(text=title, subtitle=told)}


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


def inline(marks: pl.DataFrame, digits: int = 4) -> alt.InlineData:
    """The marks as inline data, without the positions of text."""
    empty = [name for name in marks.columns if marks[name].null_count() == marks.height]
    return chart_data(marks.drop(empty), digits)


def share_tooltip(share: Quantity, placed: Mapping[str, Factor]) -> list[alt.Tooltip]:
    """The levels, the rate with its interval, and the runs behind it."""
    number = isinstance(share, Number)
    format = ".4~g" if number else ".1%"
    return [
        *(alt.Tooltip(f"{channel}:N", title=factor.title) for channel, factor in placed.items()),
        alt.Tooltip("rate:Q", title=share.words if number else share.title, format=format),
        alt.Tooltip("low:Q", title="95% from", format=format),
        alt.Tooltip("high:Q", title="to", format=format),
        *told_runs(),
    ]


def told_runs() -> list[alt.Tooltip]:
    """How many runs count, of how many."""
    return [
        alt.Tooltip("runs:Q", title="runs that count"),
        alt.Tooltip("all_runs:Q", title="of all runs here"),
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
    """A vertical axis with a place for each level: numbers upwards, as in a diagram, names down."""
    labels = list(reversed(factor.labels) if factor.on_an_axis else factor.labels)
    axis = alt.Axis(**_BARE, labelOverlap=False)
    return alt.Y(f"{channel}:O", sort=labels, scale=alt.Scale(domain=labels), axis=axis,
                 title=factor.title)  # fmt: skip


_BARE: dict[str, Any] = {"labelLimit": 150, "grid": False, "ticks": False, "domain": False}
