"""Counts as rates in tables: each with its total and its interval."""

from collections.abc import Sequence

import polars as pl
import torch

from mnemoscope.base.stats import wilson

NEARLY_ALL = 0.05
"""What may be missing where a source says "all" and gives no rate: what more than one in twenty
escape is no rule."""


def with_rate(frame: pl.DataFrame, count: str, total: str, name: str) -> pl.DataFrame:
    """The table with the columns `name`, `name_low` and `name_high`: a rate and its 95% interval.

    It is Wilson's, of one network: what is counted is independent once the network is given, as
    starts are.

    Args:
        frame: A row for each network.
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
    return _rated(frame, pl.col(count) / pl.col(total), pl.col(total), name)


def pooled(
    frame: pl.DataFrame, by: Sequence[str], count: str, total: str, name: str
) -> pl.DataFrame:
    """The rate over all rows of each group, its interval, and in `runs` how many rows these are.

    Each row, a network, is one observation between 0 and 1: the interval is Wilson's of the rate
    with as many trials as there are networks. Starts, or examples, of one network are not
    independent of each other, so they are not counted one by one. It is conservative: the variance
    of a number in [0, 1] with mean `p` is at most `p(1 - p)`, that of a yes or no.

    Args:
        frame: A row for each network.
        by: The columns that make a group; groups come in the order of their first rows.
        count: The column of counts.
        total: The column of what they are out of.
        name: What the rate is called.

    Example:
        >>> two = pl.DataFrame({"depth": [2, 2], "hits": [500, 1000], "of": [1000, 1000]})
        >>> rated = pooled(two, ["depth"], "hits", "of", "rate")
        >>> [round(rated[column][0], 2) for column in ("rate", "rate_low", "rate_high")]
        [0.75, 0.2, 0.97]
    """
    sums = frame.group_by(*by, maintain_order=True).agg(
        pl.col(count).sum(), pl.col(total).sum(), pl.len().cast(pl.Int64).alias("runs")
    )
    return _rated(sums, pl.col(count) / pl.col(total), pl.col("runs"), name)


def _rated(frame: pl.DataFrame, rate: pl.Expr, trials: pl.Expr, name: str) -> pl.DataFrame:
    told = frame.select(rate=rate, trials=trials)
    told = told.select(
        rate=pl.when(pl.col("rate").is_finite()).then("rate"), trials=pl.col("trials").fill_null(0)
    )
    share, out_of = (
        torch.tensor(told[column].fill_null(0).to_list(), dtype=torch.float64)
        for column in ("rate", "trials")
    )
    low, high = wilson(share * out_of, out_of)
    some = told["rate"].is_not_null()
    columns = {
        name: told["rate"],
        f"{name}_low": pl.Series(low.tolist(), dtype=pl.Float64),
        f"{name}_high": pl.Series(high.tolist(), dtype=pl.Float64),
    }
    return frame.with_columns(
        pl.when(some).then(values).alias(column) for column, values in columns.items()
    )


def share(frame: pl.DataFrame, count: str, total: str) -> float:
    """The rate over all rows, for a check; NaN where there is nothing to count."""
    out_of = int(frame[total].sum())
    return int(frame[count].sum()) / out_of if out_of else float("nan")
