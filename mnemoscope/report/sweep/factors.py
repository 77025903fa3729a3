"""What a sweep varies: the levels of each factor, in order, and where a run stands among them."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import polars as pl

from mnemoscope.base.text import MISSING, setting

MOST_LEVELS = 30
"""More distinct values than these are put into ranges, or, if they are texts, pooled."""

BINS = 8
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
        edges: The ends of these ranges, in order.
        whole: Whether only whole numbers fall into them.
        heading: Its title, where its labels tell of other factors, too.
        within: Names of those of them, texts, beside which alone its numbers can be compared.
    """

    name: str
    numeric: bool
    labels: tuple[str, ...]
    positions: tuple[float | None, ...]
    level: pl.Expr
    binned: bool = False
    pooled: bool = False
    edges: tuple[float, ...] = ()
    whole: bool = False
    heading: str = ""
    within: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """What its labels tell."""
        return self.heading or self.words

    @property
    def on_an_axis(self) -> bool:
        """Whether at least two levels are numbers, and these can be compared."""
        return not self.within and sum(place is not None for place in self.positions) > 1

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
        numeric = limits is not None
        ordered = sorted(values) if numeric else sorted(values, key=_natural)
        return _listed(name, numeric, column, ordered, nulls, False)
    if limits is not None:
        return _in_ranges(name, whole, column, limits)
    ordered = sorted(values[: MOST_LEVELS - 1], key=_natural)
    return _listed(name, False, column, ordered, nulls, True)


def _natural(text: str) -> list[tuple[int, str]]:
    """What texts are sorted by: `1×4×4` is before `1×12×12`."""
    parts = re.split(r"([0-9]+)", text)
    numbers = [part.lstrip("0") if place % 2 else part for place, part in enumerate(parts)]
    return [(len(part) if place % 2 else -1, part) for place, part in enumerate(numbers)]


def _listed(
    name: str, numeric: bool, column: pl.Expr, values: list[Any], nulls: bool, others: bool
) -> Factor:
    labels = [written(value) if numeric else value or '""' for value in values]
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
        apart(labels),
        tuple(float(value) if numeric else None for value in values)
        + (None,) * (len(labels) - len(values)),
        pl.when(column.is_null()).then(pl.lit(len(labels) - 1, pl.Int32)).otherwise(level),
        pooled=others,
    )


def _in_ranges(name: str, whole: bool, column: pl.Expr, limits: dict[str, Any]) -> Factor:
    low, high = float(limits["least"]), float(limits["largest"])
    log = low > 0 and high / low > LOG_RATIO
    edges = edges_of(low, high, BINS, log=log, whole=whole)
    labels = list(ranges(edges, whole))
    level = reduce(add, ((column >= edge).cast(pl.Int32) for edge in edges[1:-1]))
    nulls = bool(limits["nulls"])
    return Factor(
        name,
        True,
        apart([*labels, *[MISSING] * nulls]),
        (*middles(edges), *[None] * nulls),
        level.fill_null(len(labels)),
        binned=True,
        edges=tuple(edges),
        whole=whole,
    )


def edges_of(low: float, high: float, count: int, *, log: bool, whole: bool) -> list[float]:
    """The ends of ranges of equal width, or of equal ratio; of whole numbers, each a whole number.

    Args:
        low: The least value.
        high: The largest.
        count: How many ranges there are; fewer of a few whole numbers.
        log: Whether they are of equal ratio.
        whole: Whether only whole numbers fall into them.
    """
    parts = [part / count for part in range(count + 1)]
    edges = [low * (high / low) ** part if log else low + (high - low) * part for part in parts]
    edges[-1] = high
    return sorted({float(round(edge)) for edge in edges}) if whole else edges


def middles(edges: Sequence[float]) -> list[float]:
    """Where each range stands on an axis: half-way, in ratios if the ranges are of equal ratio.

    Args:
        edges: The ends, in order.
    """
    pairs = list(pairwise(edges))
    widths = [b - a for a, b in pairs]
    log = edges[0] > 0 and edges[-1] / edges[0] > 2 and widths[-1] > 2 * widths[0]
    return [math.sqrt(a * b) if log else (a + b) / 2 for a, b in pairs]


def ranges(edges: list[float], whole: bool) -> Iterable[str]:
    """Each range as text: whole numbers with both ends in it, others with as few digits as do.

    Args:
        edges: The ends, in order.
        whole: Whether only whole numbers fall into them.
    """
    if whole:
        ends = [edge - 1 for edge in edges[1:-1]] + [edges[-1]]
        return (
            written(a) if a == b else f"{written(a)} to {written(b)}"
            for a, b in zip(edges, ends, strict=False)
        )
    texts = [repr(edge) for edge in edges]
    for digits in range(2, 9):
        short = [_short(edge, digits) for edge in edges]
        if len(set(short)) == len(short):
            texts = short
            break
    return (f"{a} to {b}" for a, b in pairwise(texts))


def written(value: float) -> str:
    """A level as text: `0.25`, `5e-5`; not all fonts of charts have superscripts.

    Args:
        value: A finite number.
    """
    plain = value == 0 or 1e-3 <= abs(value) < 1e6
    return setting(value) if plain else _short(value, 3)


def _short(value: float, digits: int) -> str:
    """As `1.6e-5`, since two powers of ten with a word between them fit no axis."""
    mantissa, *exponent = f"{value:.{digits}g}".split("e")
    return f"{mantissa}e{int(exponent[0])}" if exponent else mantissa


def apart(labels: list[str]) -> tuple[str, ...]:
    """The labels, with a number after one that was there before.

    Args:
        labels: Of levels, in order.
    """
    seen: Counter[str] = Counter()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(told)
