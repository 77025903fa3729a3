"""What a sweep's charts are drawn from: its runs counted by setting, and pooled from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl
import torch

from mnemoscope.intervals import wilson
from mnemoscope.report.sweep.factors import Factor, read_factors
from mnemoscope.report.sweep.shares import DIVERGED, INTERPOLATED, Share, measured_shares

FIXED = {"key": pl.String, "status": pl.String, "seed": pl.Int64}
"""The columns that every run has; a table without runs may lack them."""


@dataclass(frozen=True)
class SweepTables:
    """The counts of a sweep.

    Attributes:
        rows: The table, with the columns of `FIXED`.
        factors: Those with at least two levels, those with an axis of numbers first.
        constant: Factors with one level.
        missing: Names of factors that have no column.
        shares: What was measured, by name.
        settings: The counts of each combination of levels.
        overall: The counts of all runs: one row.
        pools: The counts by one, two or three factors, all others pooled.
    """

    rows: pl.LazyFrame
    factors: tuple[Factor, ...]
    constant: tuple[Factor, ...]
    missing: tuple[str, ...]
    shares: dict[str, Share]
    settings: pl.DataFrame
    overall: pl.DataFrame
    pools: dict[tuple[str, ...], pl.DataFrame]

    def leveled(self) -> pl.LazyFrame:
        """Each run with its levels, status and shares; see `leveled`."""
        return leveled(self.rows, self.factors, self.shares)


def sweep_tables(rows: pl.LazyFrame, names: Sequence[str]) -> SweepTables:
    """Counts all runs of a sweep.

    The table is read once for the levels and once for the counts. Everything else is pooled from
    the counts of the settings, of which there are few.

    Args:
        rows: As `mnemoscope.sweep.load` gives it.
        names: Columns that the design varies.
    """
    rows = _with_fixed(rows)
    columns = rows.collect_schema().names()
    found = read_factors(rows, names)
    factors = tuple(factor for factor in found if len(factor.labels) > 1)
    shares = measured_shares(columns)
    settings = counted(leveled(rows, factors, shares), [f.name for f in factors], shares).collect()
    wanted = _wanted([factor.name for factor in factors])
    pooled = pl.collect_all([_pooled(settings.lazy(), names) for names in wanted])
    overall, *pools = pooled
    return SweepTables(
        rows=rows,
        factors=factors,
        constant=tuple(factor for factor in found if len(factor.labels) == 1),
        missing=tuple(name for name in dict.fromkeys(names) if name not in columns),
        shares=shares,
        settings=settings,
        overall=overall,
        pools=dict(zip(wanted[1:], pools, strict=True)),
    )


def leveled(
    rows: pl.LazyFrame, factors: Sequence[Factor], shares: dict[str, Share]
) -> pl.LazyFrame:
    """Each run's key, seed and status; its level under each factor's name; `share:` and its name.

    Args:
        rows: The table of a sweep.
        factors: What is varied.
        shares: What was measured.
    """
    return rows.select(
        *(factor.level.cast(pl.Int8).alias(factor.name) for factor in factors),
        *(share.value.alias(f"share:{name}") for name, share in shares.items()),
        *(pl.col(name).alias(f"run:{name}") for name in FIXED),
    )


def counted(runs: pl.LazyFrame, names: Sequence[str], shares: dict[str, Share]) -> pl.LazyFrame:
    """Counts by levels: of runs, of those that did not interpolate, of each share.

    Args:
        runs: As `leveled` gives them.
        names: Of the factors.
        shares: What was measured.
    """
    status = pl.col("run:status").alias("status")
    runs = runs.with_columns(status)
    return runs.group_by(pl.lit(0).alias("all"), *names).agg(
        pl.len().alias("count:runs"),
        (~INTERPOLATED).sum().alias("count:not_interpolated"),
        DIVERGED.sum().alias("count:diverged"),
        pl.col("run:key").min().alias("first_key"),
        *(pl.col(f"share:{name}").sum().alias(f"sum:{name}") for name in shares),
        *(pl.col(f"share:{name}").count().alias(f"count:{name}") for name in shares),
    )


def rated(counts: pl.DataFrame, share: str) -> pl.DataFrame:
    """The counts with a share's `rate`, its 95% interval from `low` to `high`, and `runs`.

    Each run is one observation `s` in [0, 1]: the rate is the mean of `s`, and the interval is
    Wilson's with `k` the sum of `s` and `N` the number of runs. The examples of one network are
    not independent, so they are not counted one by one. It is conservative: the variance of a
    number in [0, 1] with mean `p` is at most `p(1 − p)`, that of a yes or no.

    Args:
        counts: As `counted` gives them; where no run counts, the rate is null.
        share: Its name.
    """
    total, count = (
        torch.from_numpy(counts[f"{kind}:{share}"].cast(pl.Float64).to_numpy(writable=True))
        for kind in ("sum", "count")
    )
    low, high = (pl.Series(end.numpy()) for end in wilson(total, count))
    counts = counts.with_columns(
        rate=pl.col(f"sum:{share}") / pl.col(f"count:{share}"),
        low=low,
        high=high,
        runs=pl.col(f"count:{share}"),
    )
    empty = pl.col("runs") == 0
    return counts.with_columns(
        pl.when(~empty).then(name).alias(name) for name in ("rate", "low", "high")
    )


def _with_fixed(rows: pl.LazyFrame) -> pl.LazyFrame:
    columns = rows.collect_schema().names()
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in FIXED.items()
               if name not in columns]  # fmt: skip
    # A literal beside no columns at all would be a row.
    return rows.with_columns(lacking) if columns else pl.LazyFrame(schema=FIXED)


def _wanted(names: list[str]) -> list[tuple[str, ...]]:
    """What the charts pool by: nothing, each factor, each pair, and the first three."""
    singles = [(name,) for name in names]
    return [(), *singles, *combinations(names, 2), *([tuple(names[:3])] if names[2:] else [])]


def _pooled(settings: pl.LazyFrame, names: tuple[str, ...]) -> pl.LazyFrame:
    sums = pl.col("^(sum|count):.*$").sum()
    return settings.group_by(names).agg(sums).sort(names) if names else settings.select(sums)
