"""Counts as rates in tables: each with its total and its interval."""

from collections.abc import Sequence

import polars as pl
import torch

from mnemoscope.intervals import wilson

NEARLY_ALL = 0.05
"""What may be missing where a source says "all" and gives no rate: what more than one in twenty
escape is no rule."""


def with_rate(frame: pl.DataFrame, count: str, total: str, name: str) -> pl.DataFrame:
    """The table with the columns `name`, `name_low` and `name_high`: a rate and its 95% interval.

    Args:
        frame: A row for each count.
        count: The column of counts.
        total: The column of what they are out of; where it is 0, or one of both is null, so is
            the rate null.
        name: What the rate is called.

    Example:
        >>> counted = pl.DataFrame({"hits": [10], "of": [10]})
        >>> rated = with_rate(counted, "hits", "of", "rate")
        >>> tuple(round(value, 4) for value in rated.row(0)[2:])
        (1.0, 0.7225, 1.0)
    """
    low, high = wilson(*(torch.tensor(frame[c].fill_null(0).to_list()) for c in (count, total)))
    some = (pl.col(total) > 0) & pl.col(count).is_not_null()
    return frame.with_columns(
        pl.when(some).then(pl.col(count) / pl.col(total)).alias(name),
        pl.when(some).then(pl.Series(low.tolist(), dtype=pl.Float64)).alias(f"{name}_low"),
        pl.when(some).then(pl.Series(high.tolist(), dtype=pl.Float64)).alias(f"{name}_high"),
    )


def pooled(
    frame: pl.DataFrame, by: Sequence[str], count: str, total: str, name: str
) -> pl.DataFrame:
    """The rate over all rows of each group, and in `runs` how many rows these are.

    Args:
        frame: A row for each count.
        by: The columns that make a group; groups come in the order of their first rows.
        count: The column of counts.
        total: The column of what they are out of.
        name: What the rate is called.
    """
    sums = frame.group_by(*by, maintain_order=True).agg(
        pl.col(count).sum(), pl.col(total).sum(), pl.len().cast(pl.Int64).alias("runs")
    )
    return with_rate(sums, count, total, name)


def share(frame: pl.DataFrame, count: str, total: str) -> float:
    """The rate over all rows, for a check; NaN where there is nothing to count."""
    out_of = int(frame[total].sum())
    return int(frame[count].sum()) / out_of if out_of else float("nan")
