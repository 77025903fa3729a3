"""What a sweep's charts are drawn from: its runs counted by setting, and pooled from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl
import torch

from mnemoscope.base.stats import wilson
from mnemoscope.report.sweep.factors import Factor, read_factors
from mnemoscope.report.sweep.measured import Number, Quantity, measured_quantities
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
        shares: The headline shares that were measured, by name.
        measured: All else that was, by name, in the order in which it is drawn.
        settings: The counts of each combination of levels.
        overall: The counts of all runs: one row.
        pools: The counts by one, two or three factors, all others pooled.
        apart: The names of factors that are not drawn against each other.
    """

    rows: pl.LazyFrame
    factors: tuple[Factor, ...]
    constant: tuple[Factor, ...]
    missing: tuple[str, ...]
    shares: dict[str, Share]
    measured: dict[str, Quantity]
    settings: pl.DataFrame
    overall: pl.DataFrame
    pools: dict[tuple[str, ...], pl.DataFrame]
    apart: frozenset[frozenset[str]] = frozenset()

    def crossed(self, x: Factor, y: Factor) -> bool:
        """Whether two factors are drawn against each other."""
        return frozenset((x.name, y.name)) not in self.apart

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
    measured = measured_quantities(rows.collect_schema(), names)
    told = shares | measured
    settings = counted(leveled(rows, factors, told), [f.name for f in factors], told).collect()
    overall, pools = pooled_counts(settings, [factor.name for factor in factors])
    return SweepTables(
        rows=rows,
        factors=factors,
        constant=tuple(factor for factor in found if len(factor.labels) == 1),
        missing=tuple(name for name in dict.fromkeys(names) if name not in columns),
        shares=shares,
        measured=measured,
        settings=settings,
        overall=overall,
        pools=pools,
    )


def pooled_counts(
    settings: pl.DataFrame, names: list[str]
) -> tuple[pl.DataFrame, dict[tuple[str, ...], pl.DataFrame]]:
    """The counts of all runs in one row, and those by one, two or three factors.

    Args:
        settings: The counts by all of them.
        names: Of the factors, in order.
    """
    wanted = _wanted(names)
    overall, *pools = pl.collect_all([_pooled(settings.lazy(), some) for some in wanted])
    return overall, dict(zip(wanted[1:], pools, strict=True))


def leveled(
    rows: pl.LazyFrame, factors: Sequence[Factor], told: Mapping[str, Quantity]
) -> pl.LazyFrame:
    """Each run's key, seed and status; its level under each factor's name; `share:` and its name.

    Args:
        rows: The table of a sweep.
        factors: What is varied.
        told: The shares and numbers.
    """
    return rows.select(
        *(factor.level.cast(pl.Int8).alias(factor.name) for factor in factors),
        *(one.value.alias(f"share:{name}") for name, one in told.items()),
        *(pl.col(name).alias(f"run:{name}") for name in FIXED),
    )


def counted(runs: pl.LazyFrame, names: Sequence[str], told: Mapping[str, Quantity]) -> pl.LazyFrame:
    """Counts by levels: of runs, of those that did not interpolate, of each share and number.

    Args:
        runs: As `leveled` gives them.
        names: Of the factors.
        told: The shares and numbers.

    Returns:
        `count:` of each and `sum:` of a share; of a number `mean:` and `square:`, the sum of the
        squared distances to the mean, of which those of more runs follow without cancellation.
    """
    status = pl.col("run:status").alias("status")
    runs = runs.with_columns(status)
    numbers = [name for name, one in told.items() if isinstance(one, Number)]
    return runs.group_by(pl.lit(0).alias("all"), *names).agg(
        pl.len().alias("count:runs"),
        (~INTERPOLATED).sum().alias("count:not_interpolated"),
        DIVERGED.sum().alias("count:diverged"),
        pl.col("run:key").min().alias("first_key"),
        *(pl.col(f"share:{name}").sum().alias(f"sum:{name}") for name in told
          if name not in numbers),
        *(pl.col(f"share:{name}").count().alias(f"count:{name}") for name in told),
        *(pl.col(f"share:{name}").mean().alias(f"mean:{name}") for name in numbers),
        *((pl.col(f"share:{name}").var(ddof=0) * pl.col(f"share:{name}").count())
          .alias(f"square:{name}") for name in numbers),
    )  # fmt: skip


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


def merged(settings: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The counts of settings whose levels have become fewer.

    Args:
        settings: As `counted` gives them, with the new levels.
        names: Of the factors.
    """
    sums = _sums(settings.columns)
    return settings.group_by("all", *names).agg(*sums, pl.col("first_key").min())


def _pooled(settings: pl.LazyFrame, names: tuple[str, ...]) -> pl.LazyFrame:
    sums = _sums(settings.collect_schema().names())
    return settings.group_by(names).agg(sums).sort(names) if names else settings.select(sums)


def _sums(columns: Sequence[str]) -> list[pl.Expr]:
    """The counts of several settings together."""
    numbers = [name.removeprefix("mean:") for name in columns if name.startswith("mean:")]
    sums = [pl.col("^(sum|count):.*$").sum()]
    for name in numbers:
        count, mean = pl.col(f"count:{name}"), pl.col(f"mean:{name}")
        whole = pl.when(count.sum() > 0).then((count * mean).sum() / count.sum())
        away = (count * (mean - whole) ** 2).sum()
        sums += [whole.alias(f"mean:{name}"),
                 (pl.col(f"square:{name}").sum() + away).alias(f"square:{name}")]  # fmt: skip
    return sums
