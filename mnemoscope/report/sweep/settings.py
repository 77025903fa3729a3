"""A sweep's shares and numbers by setting, as a table: all runs, each value, each combination."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mnemoscope.base.files import replacing
from mnemoscope.base.stats import Estimate
from mnemoscope.base.text import number
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.marks import ENOUGH, estimated, labelled
from mnemoscope.report.sweep.measured import Number, Quantity
from mnemoscope.report.sweep.tables import SweepTables, sweep_tables

ALL = "all"
"""Stands for a factor that is pooled."""

MOST_SETTINGS = 200
"""Combinations that the page lists."""

MOST_OWN = 4
"""Numbers of the user's own that stand beside the shares."""


@dataclass(frozen=True)
class Cell:
    """What a setting says of one share or number.

    Attributes:
        value: The rate or the mean, as text.
        interval: Its 95% interval, as text; empty if it has none.
        runs: How many count.
        few: Whether these are less than 80% of the runs.
    """

    value: str
    interval: str
    runs: int
    few: bool


@dataclass(frozen=True)
class Line:
    """A row of the table on the page.

    Attributes:
        setting: Its values, in the order of the factors; or the factor and its value.
        runs: How many runs it has.
        lost: How many of them did not interpolate, the diverged among them.
        cells: For each share or number.
    """

    setting: tuple[str, ...]
    runs: int
    lost: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Answers:
    """The tables of numbers on the page.

    Attributes:
        titles: What is told, in order.
        factors: The titles of the factors.
        values: A line for each value of each factor, all others pooled.
        settings: A line for each combination; none if there are too many or but one factor.
        total: How many combinations there are.
    """

    titles: tuple[str, ...]
    factors: tuple[str, ...]
    values: list[Line]
    settings: list[Line]
    total: int


def answers(tables: SweepTables) -> Answers:
    """Each value's, and each combination's, shares with their intervals, as text.

    Args:
        tables: The counts of a sweep.
    """
    own = [one for one in tables.measured.values() if isinstance(one, Number) and one.own]
    told = [*tables.shares.values(), *own[:MOST_OWN]]
    factors = tables.factors
    values = [
        line
        for factor in factors
        for line in _lines(tables.pools[factor.name,], (factor,), told, factor.title)
    ]
    few = len(factors) > 1 and tables.settings.height <= MOST_SETTINGS
    names = [factor.name for factor in factors]
    settings = _lines(tables.settings.sort(names), factors, told) if few else []
    return Answers(
        tuple(one.title for one in told), tuple(factor.title for factor in factors), values,
        settings, tables.settings.height,
    )  # fmt: skip


def write_sweep_settings(
    rows: pl.LazyFrame, factors: Sequence[str], path: str | os.PathLike[str]
) -> Path:
    """Writes each share and number by setting, with its interval and its runs.

    Args:
        rows: The table, as `mnemoscope.sweep.load` gives it.
        factors: Columns that the design varies, without the seed.
        path: A file that ends in `.parquet` is Parquet, any other is CSV.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    frame = settings_table(sweep_tables(rows, factors))
    with replacing(path) as temporary:
        if os.fspath(path).endswith(".parquet"):
            frame.write_parquet(temporary)
        else:
            frame.write_csv(temporary)
    return Path(path)


def settings_table(tables: SweepTables) -> pl.DataFrame:
    """A row for each share or number of all runs, of each value of a factor, of each combination.

    Args:
        tables: The counts of a sweep.

    Returns:
        Each factor's value as text, `all` where it is pooled; `of`, the share or number; `runs`,
        `count` (of those that count for it), `not_interpolated`, `diverged`; `value`, the rate or
        the mean; `low` and `high`, the ends of its 95% interval.
    """
    factors = tables.factors
    groups: list[tuple[pl.DataFrame, tuple[Factor, ...]]] = [(tables.overall, ())]
    groups += [(tables.pools[factor.name,], (factor,)) for factor in factors]
    if len(factors) > 1:
        groups.append((tables.settings.sort([factor.name for factor in factors]), factors))
    told = {**tables.shares, **tables.measured}
    parts = [
        _tidy(labelled(estimated(counts, one), {f"told:{f.name}": f for f in given}), factors, one)
        for counts, given in groups
        for one in told.values()
    ]
    return pl.concat(parts)


def _tidy(counts: pl.DataFrame, factors: Sequence[Factor], one: Quantity) -> pl.DataFrame:
    runs, lost, diverged = (
        pl.col(f"count:{name}").cast(pl.Int64) for name in ("runs", "not_interpolated", "diverged")
    )
    return counts.select(
        *(
            (pl.col(f"told:{f.name}") if f"told:{f.name}" in counts.columns else pl.lit(ALL))
            .alias(f.name)
            for f in factors
        ),
        of=pl.lit(one.name), runs=runs, count=pl.col("runs").cast(pl.Int64),
        not_interpolated=lost - diverged, diverged=diverged, value="rate", low="low", high="high",
    )  # fmt: skip


def _lines(
    counts: pl.DataFrame, factors: Sequence[Factor], told: Sequence[Quantity], *before: str
) -> list[Line]:
    columns = [
        labelled(estimated(counts, one), {f"told:{f.name}": f for f in factors}).rows(named=True)
        for one in told
    ]
    return [
        Line(
            (*before, *(rows[0][f"told:{f.name}"] for f in factors)),
            rows[0]["count:runs"],
            rows[0]["count:not_interpolated"],
            tuple(_cell(row, one) for row, one in zip(rows, told, strict=True)),
        )
        for rows in zip(*columns, strict=True)
    ]


def _cell(row: Mapping[str, Any], one: Quantity) -> Cell | None:
    if row["rate"] is None:
        return None
    few = row["runs"] < ENOUGH * row["count:runs"]
    if isinstance(one, Number):
        known = row["low"] is not None
        interval = f"{number(row['low'])} to {number(row['high'])}" if known else ""
        return Cell(number(row["rate"]), interval, row["runs"], few)
    rate = Estimate(row["rate"], row["low"], row["high"])
    return Cell(rate.text, rate.interval, row["runs"], few)
