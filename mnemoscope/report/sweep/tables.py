"""The tables of a sweep's page: numbers by setting, runs, and settings where training failed."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from mnemoscope.base.files import replacing
from mnemoscope.base.quantity import Quantity
from mnemoscope.base.text import MISSING, number, percent
from mnemoscope.report.sweep.factors import Axis, Factor, written
from mnemoscope.report.sweep.runs import (
    ENOUGH,
    HEADLINES,
    Runs,
    estimated,
    is_share,
    labelled,
    read_runs,
    title,
)

ALL = "all"
"""The value of a factor that is pooled."""

MAX_SETTINGS = 200
"""Settings that a table of the page lists."""

MAX_LISTED = 7
"""Quantities that such a table has room for: numbers follow the shares."""


@dataclass(frozen=True)
class Table:
    """A table of the page: headings with their style classes, cells of text or with a note below.

    Rows may have anchors; a table with a `fold` is folded under this summary.
    """

    label: str
    heads: tuple[tuple[str, str], ...]
    rows: Sequence[tuple[str | tuple[str, str], ...]]
    anchors: tuple[str, ...] = ()
    fold: str = ""


def value_table(runs: Runs) -> Table:
    """Lists the shares and the first numbers for each value of each factor."""
    rows = [
        (factor.title, *row) for factor in runs.factors for row in _number_rows(runs, (factor,))
    ]
    return Table("Shares by value", _number_heads(runs, ("factor", "value")), rows)


def setting_table(runs: Runs) -> Table:
    """Lists the same for each combination of the factors; no rows if there are too many."""
    few = len(runs.factors) > 1 and runs.by(*runs.factors).height <= MAX_SETTINGS
    rows = _number_rows(runs, runs.factors) if few else []
    heads = _number_heads(runs, [factor.title for factor in runs.factors])
    return Table(
        "Shares by combination", heads, rows, fold=f"Each of the {len(rows):,} combinations"
    )


def run_table(runs: Runs) -> Table:
    """Lists the runs that marks lead to, each with its own values of the factors."""
    assert runs.chosen is not None
    columns = runs.rows.collect_schema().names()
    names = [factor.name for factor in runs.columns]
    wanted = [*names, "status", "loss", "steps", "stored", "n"]
    wanted = [name for name in dict.fromkeys(wanted) if name in columns]
    found = (
        runs.rows.filter(pl.col("key").is_in(runs.chosen["key"].to_list()))
        .select("key", *(pl.col(name).alias(f"own:{name}") for name in wanted))
        .unique("key", keep="any")
        .collect()
    )
    listed = runs.chosen.join(found, on="key", how="left", maintain_order="left")
    rows = [
        (
            *(_own(row[f"own:{factor.name}"], factor.numeric) for factor in runs.columns),
            _own(row["seed"], False),
            status_words(row["own:status"]) or MISSING,
            number(row.get("own:loss")),
            number(row.get("own:steps")),
            MISSING
            if row.get("own:stored") is None
            else f"{row['own:stored']} of {number(row.get('own:n'))}",
            Markup("<code>{}</code>").format(row["key"]),
        )
        for row in listed.iter_rows(named=True)
    ]
    known = {"seed": "", "status": "words status", "loss": "", "steps": "", "stored": "status"}
    heads = (*_words(factor.words for factor in runs.columns), *known.items(), ("key", "words key"))
    return Table("Table of runs", heads, rows, tuple(f"run-{key}" for key in listed["key"]))


def trouble_table(runs: Runs) -> tuple[Table, int]:
    """Lists the settings with runs that did not interpolate, the worst first, and counts them."""
    factors = runs.columns
    keys = [factor.key for factor in factors]
    lost = pl.col("lost")
    found = runs.by(*factors).filter(lost > 0)
    found = found.sort(
        lost / pl.col("all_runs"), lost, *keys, descending=[True, True, *[False] * len(keys)]
    )
    rows = [
        (
            *(row[factor.name] for factor in factors),
            f"{row['all_runs']:,}",
            f"{row['lost'] - row['diverged']:,}",
            f"{row['diverged']:,}",
        )
        for row in _named(found.head(MAX_SETTINGS), factors)
    ]
    counts = [(head, "") for head in ("runs", "did not interpolate", "diverged")]
    heads = (*_words(factor.words for factor in factors), *counts)
    return Table("Runs that did not interpolate, by setting", heads, rows), found.height


def settings_frame(runs: Runs) -> pl.DataFrame:
    """Estimates each quantity for all runs, for each value of a column, for each combination."""
    columns = runs.columns
    groups: list[tuple[Factor, ...]] = [(), *((factor,) for factor in columns)]
    groups += [columns] if len(columns) > 1 else []
    parts = []
    for factors, one in product(groups, runs.quantities):
        frame = estimated(runs.by(*factors), one)
        values = [
            (column.label(frame[column.key]) if column in factors else pl.lit(ALL)).alias(
                column.name
            )
            for column in columns
        ]
        lost, diverged = pl.col("lost").cast(pl.Int64), pl.col("diverged").cast(pl.Int64)
        parts.append(
            frame.select(
                *values,
                pl.lit(one.name).alias("of"),
                pl.col("all_runs").cast(pl.Int64).alias("runs"),
                pl.col("runs").cast(pl.Int64).alias("count"),
                (lost - diverged).alias("not_interpolated"),
                diverged,
                pl.col("rate").alias("value"),
                "low",
                "high",
            )
        )
    return pl.concat(parts)


def write_sweep_settings(
    rows: pl.LazyFrame,
    axes: Sequence[Axis],
    quantities: Sequence[Quantity],
    path: str | os.PathLike[str],
) -> Path:
    """Writes each quantity for all runs, for each value, and for each combination of values.

    The columns are each varied column's value as text, `all` where it is pooled; `of`, the
    quantity; `runs`, `count` (of those that count for it), `not_interpolated`, `diverged`; `value`,
    the rate or the mean; `low` and `high`, the ends of its 95% interval.

    Args:
        rows: The table, as `mnemoscope.sweep.load` returns it.
        axes: What the design varies, without the seed.
        quantities: What was measured.
        path: A file that ends in `.parquet` is Parquet, any other is CSV.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    frame = settings_frame(read_runs(rows, axes, quantities))
    with replacing(path) as temporary:
        if os.fspath(path).endswith(".parquet"):
            frame.write_parquet(temporary)
        else:
            frame.write_csv(temporary)
    return Path(path)


def status_words(status: str | None) -> str:
    """Returns the outcome of training in words."""
    return "did not interpolate" if status == "not_interpolated" else status or ""


def _listed(runs: Runs) -> list[Quantity]:
    """Returns the headline shares, then the first numbers."""
    numbers = [one for one in runs.quantities if not is_share(one)]
    shares = runs.named(*HEADLINES)
    return [*shares, *numbers[: max(0, MAX_LISTED - len(shares))]]


def _number_heads(runs: Runs, first: Sequence[str]) -> tuple[tuple[str, str], ...]:
    others = [("runs", ""), ("did not interpolate", "")]
    return (*_words(first), *others, *((title(one), "answer") for one in _listed(runs)))


def _number_rows(runs: Runs, factors: Sequence[Factor]) -> list[tuple[Any, ...]]:
    listed = _listed(runs)
    estimates = [estimated(runs.by(*factors), one).to_dicts() for one in listed]
    return [
        (
            *(row[factor.name] for factor in factors),
            f"{row['all_runs']:,}",
            f"{row['lost']:,}",
            *(_estimate(cells[at], one) for cells, one in zip(estimates, listed, strict=True)),
        )
        for at, row in enumerate(_named(runs.by(*factors), factors))
    ]


def _estimate(row: Mapping[str, Any], quantity: Quantity) -> tuple[str, str]:
    """Formats the mean, starred if few runs count, its interval, and how many count."""
    if row["rate"] is None:
        return MISSING, ""
    text = percent if is_share(quantity) else number
    notes = [] if row["low"] is None else [f"{text(row['low'])} to {text(row['high'])}"]
    notes += [f"of {row['runs']:,}"] if row["runs"] != row["all_runs"] else []
    star = "*" if row["runs"] < ENOUGH * row["all_runs"] else ""
    return text(row["rate"]) + star, ", ".join(notes)


def _named(counts: pl.DataFrame, factors: Sequence[Factor]) -> list[dict[str, Any]]:
    """Returns the rows with the label of each factor by its name."""
    return labelled(counts, {factor.name: factor for factor in factors}).to_dicts()


def _words(titles: Any) -> list[tuple[str, str]]:
    return [(heading, "words") for heading in titles]


def _own(value: Any, numeric: bool) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    return written(value) if numeric and math.isfinite(value) else str(value)
