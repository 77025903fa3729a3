"""What a sweep varies: the levels of each factor, in order, and where a run stands among them."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import polars as pl

from mnemoscope.report.numbers import MISSING, setting

MOST_LEVELS = 30
"""More distinct values than these are put into ranges, or, if they are texts, pooled."""

BINS = 10
LOG_RATIO = 50
"""Ranges are of equal ratio, not of equal width, where the largest is so many times the least."""

OTHER = "other"


@dataclass(frozen=True)
class Factor:
    """A column that the design varies.

    Attributes:
        name: Of the column.
        numeric: Whether its values are numbers.
        labels: Its levels as text, in order; a level for null is the last.
        positions: Of each level on an axis; None for null and for text.
        level: A run's place among the labels.
        binned: Whether its levels are ranges.
        pooled: Whether its last level but null is all rare texts together.
    """

    name: str
    numeric: bool
    labels: tuple[str, ...]
    positions: tuple[float | None, ...]
    level: pl.Expr
    binned: bool = False
    pooled: bool = False

    @property
    def title(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")

    @property
    def on_an_axis(self) -> bool:
        """Whether at least two levels are numbers."""
        return sum(place is not None for place in self.positions) > 1

    @property
    def logarithmic(self) -> bool:
        """Whether its axis is read better in ratios."""
        placed = [place for place in self.positions if place is not None]
        return len(placed) > 2 and min(placed) > 0 and max(placed) / min(placed) >= 16

    def told(self, levels: pl.Series) -> pl.Series:
        """The labels of levels."""
        return pl.Series(self.labels, dtype=pl.String).gather(levels)


def read_factors(rows: pl.LazyFrame, names: Sequence[str]) -> list[Factor]:
    """The factors with their levels, those with an axis first; names without a column are left out.

    Args:
        rows: The table of a sweep.
        names: Of columns.
    """
    schema = rows.collect_schema()
    known = [name for name in dict.fromkeys(names) if name in schema]
    columns = {name: _values(name, schema[name]) for name in known}
    # Counting a million distinct numbers takes longer than all else: first learn that they are.
    ranges = _ranges_of(
        rows, {n: column for n, column in columns.items() if schema[n].is_numeric()}
    )
    listed = [n for n in known if n not in ranges or ranges[n]["distinct"] <= 4 * MOST_LEVELS]
    commonest = _commonest(rows, {name: columns[name] for name in listed})
    factors = [
        _factor(
            name,
            schema[name].is_integer(),
            columns[name],
            commonest.get(name),
            ranges.get(name),
        )
        for name in known
    ]
    return sorted(factors, key=lambda factor: not factor.on_an_axis)


def _ranges_of(rows: pl.LazyFrame, columns: dict[str, pl.Expr]) -> dict[str, dict[str, Any]]:
    """About how many distinct values each column has, its least, its largest, and its nulls."""
    told = {
        "distinct": pl.Expr.approx_n_unique, "least": pl.Expr.min, "largest": pl.Expr.max,
        "nulls": pl.Expr.null_count,
    }  # fmt: skip
    found = pl.collect_all(
        [
            rows.select(column.alias("value")).select(
                function(pl.col("value")).alias(name) for name, function in told.items()
            )
            for column in columns.values()
        ]
    )
    return {name: frame.row(0, named=True) for name, frame in zip(columns, found, strict=True)}


def _commonest(rows: pl.LazyFrame, columns: dict[str, pl.Expr]) -> dict[str, list[Any]]:
    """Null, if there is one, and the most frequent values: enough to tell if there are more."""
    found = pl.collect_all(
        [
            rows.select(column.alias("value"))
            .group_by("value")
            .len()
            .sort(pl.col("value").is_null(), "len", "value", descending=[True, True, False])
            .head(MOST_LEVELS + 2)
            for column in columns.values()
        ]
    )
    return {name: frame["value"].to_list() for name, frame in zip(columns, found, strict=True)}


def _values(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column as numbers that are finite, or as text."""
    column = pl.col(name)
    if dtype.is_integer():
        return column
    if dtype.is_numeric():
        number = column.cast(pl.Float64)
        return pl.when(number.is_finite()).then(number)
    return column.cast(pl.String)


def _factor(
    name: str,
    whole: bool,
    column: pl.Expr,
    commonest: list[Any] | None,
    limits: dict[str, Any] | None,
) -> Factor:
    """The factor by its values if they are few, by ranges if numeric, or by its frequent texts."""
    values = [value for value in commonest or [] if value is not None]
    nulls = commonest is not None and len(values) < len(commonest)
    if commonest is not None and len(values) <= MOST_LEVELS:
        return _listed(name, limits is not None, column, sorted(values), nulls, False)
    if limits is not None:
        return _in_ranges(name, whole, column, limits)
    return _listed(name, False, column, sorted(values[: MOST_LEVELS - 1]), nulls, True)


def _listed(
    name: str, numeric: bool, column: pl.Expr, values: list[Any], nulls: bool, others: bool
) -> Factor:
    labels = [setting(value) if numeric else value or '""' for value in values]
    if numeric and len(set(labels)) < len(labels):
        labels = [repr(value) for value in values]
    labels += [OTHER] * others + [MISSING] * nulls
    places = list(range(len(values)))
    level = (
        column.replace_strict(values, places, default=len(values), return_dtype=pl.Int32)
        if values
        else pl.lit(0, pl.Int32)
    )
    return Factor(
        name,
        numeric,
        _apart(labels),
        tuple(float(value) if numeric else None for value in values)
        + (None,) * (len(labels) - len(values)),
        pl.when(column.is_null()).then(pl.lit(len(labels) - 1, pl.Int32)).otherwise(level),
        pooled=others,
    )


def _in_ranges(name: str, whole: bool, column: pl.Expr, limits: dict[str, Any]) -> Factor:
    low, high = float(limits["least"]), float(limits["largest"])
    log = low > 0 and high / low > LOG_RATIO
    parts = [part / BINS for part in range(BINS + 1)]
    edges = [low * (high / low) ** part if log else low + (high - low) * part for part in parts]
    edges[-1] = high
    if whole:
        edges = sorted({float(round(edge)) for edge in edges})
    labels = list(_ranges(edges, whole))
    middles = [math.sqrt(a * b) if log else (a + b) / 2 for a, b in pairwise(edges)]
    level = reduce(add, ((column >= edge).cast(pl.Int32) for edge in edges[1:-1]))
    nulls = bool(limits["nulls"])
    return Factor(
        name,
        True,
        _apart([*labels, *[MISSING] * nulls]),
        (*middles, *[None] * nulls),
        level.fill_null(len(labels)),
        binned=True,
    )


def _ranges(edges: list[float], whole: bool) -> Iterable[str]:
    """Each range as text: whole numbers with both ends in it, others with as few digits as do."""
    if whole:
        ends = [edge - 1 for edge in edges[1:-1]] + [edges[-1]]
        return (
            setting(a) if a == b else f"{setting(a)} to {setting(b)}"
            for a, b in zip(edges, ends, strict=False)
        )
    texts = [repr(edge) for edge in edges]
    for digits in range(2, 9):
        short = [_short(edge, digits) for edge in edges]
        if len(set(short)) == len(short):
            texts = short
            break
    return (f"{a} to {b}" for a, b in pairwise(texts))


def _short(value: float, digits: int) -> str:
    """As `1.6e-5`, since two powers of ten with a word between them fit no axis."""
    mantissa, *exponent = f"{value:.{digits}g}".split("e")
    return f"{mantissa}e{int(exponent[0])}" if exponent else mantissa


def _apart(labels: list[str]) -> tuple[str, ...]:
    """The labels, with a number after one that was there before."""
    seen: Counter[str] = Counter()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(told)
