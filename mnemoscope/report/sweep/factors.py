"""The factors of a sweep: columns that its axes vary, with their levels in order."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import polars as pl

from mnemoscope.base.text import MISSING, setting

MAX_LEVELS = 30
"""Numbers of more distinct values are put into ranges; rare texts beyond these are pooled."""

MAX_RANGES = 8
LOG_RATIO = 50
"""Ratio of the largest to the smallest number above which unsampled numbers get log ranges."""

OTHER = "other"


@dataclass(frozen=True)
class Sampled:
    """A range that numbers were drawn from.

    Attributes:
        low: The lower end.
        high: The upper end.
        log: Whether the logarithm is uniform, not the number.
        whole: Whether only whole numbers were drawn.
        count: Number of points.
    """

    low: float
    high: float
    log: bool
    whole: bool
    count: int


@dataclass(frozen=True)
class Axis:
    """An axis of a design.

    Attributes:
        columns: The columns that vary together along it: several for a zip.
        sampled: The range that the one column was sampled from; None for a list of values.
    """

    columns: tuple[str, ...]
    sampled: Sampled | None = None


@dataclass(frozen=True, eq=False)
class Factor:
    """A column that the design varies, with what it implies of columns varied together with it."""

    name: str
    numeric: bool
    # The levels as text, in order, null last; and as numbers, None for null and for text.
    labels: tuple[str, ...]
    positions: tuple[float | None, ...]
    # A run's place among the labels.
    level: pl.Expr
    # Whether levels are ranges, numbers were sampled, rare texts share a level.
    ranges: bool = False
    sampled: bool = False
    pooled: bool = False
    # The title, where labels name the levels of other columns too.
    heading: str = ""
    # Columns that have a level for each level of this one, and share its axis.
    same: tuple[str, ...] = ()
    # Columns whose level each level of this one implies, and those of them that are names: numbers
    # are comparable for one name only.
    within: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")

    @property
    def title(self) -> str:
        """The names of the columns that its labels name, as words."""
        return self.heading or self.words

    @property
    def key(self) -> str:
        """The column of its levels in a table of runs."""
        return "level:" + ",".join((self.name, *self.same, *self.within))

    @property
    def places(self) -> list[float]:
        """The distinct positions, in order."""
        return sorted({place for place in self.positions if place is not None})

    @property
    def has_axis(self) -> bool:
        """Whether at least two levels are numbers, and these can be compared."""
        return not self.names and len(self.places) > 1

    @property
    def logarithmic(self) -> bool:
        """Whether its axis is read better in ratios."""
        places = self.places
        return len(places) > 2 and places[0] > 0 and places[-1] / places[0] >= 16

    def crosses(self, other: "Factor") -> bool:
        """Returns whether neither implies the other, so that they are drawn against each other."""
        return self.name not in other.within and other.name not in self.within

    def label(self, levels: pl.Series) -> pl.Series:
        """Returns the labels of levels."""
        return pl.Series(self.labels, dtype=pl.String).gather(levels)

    def position(self, levels: pl.Series) -> pl.Series:
        """Returns the positions of levels."""
        return pl.Series(self.positions, dtype=pl.Float64).gather(levels)


def read_factors(rows: pl.LazyFrame, axes: Sequence[Axis]) -> tuple[list[Factor], list[Factor]]:
    """Returns a factor for each column that the table has, and those that are drawn.

    Of the latter, columns that vary together share an axis or name each other's levels.
    """
    schema = rows.collect_schema()
    axis_of = {name: axis for axis in axes for name in axis.columns if name in schema}
    values = {name: _values(name, schema[name]) for name in axis_of}
    counts = pl.collect_all(
        [
            rows.select(column.alias("value")).group_by("value").len().sort("value")
            for column in values.values()
        ]
    )
    several = sum(axis.sampled is not None for axis in axes) > 1
    single = {}
    for name, found in zip(values, counts, strict=True):
        sampled = axis_of[name].sampled
        if sampled is not None and sampled.count > MAX_RANGES:
            single[name] = _sampled(name, values[name], found, sampled, several)
        else:
            factor = _factor(name, schema[name], values[name], found)
            single[name] = replace(factor, sampled=sampled is not None)
    drawn = []
    for axis in dict.fromkeys(axis_of.values()):
        members = [single[name] for name in axis.columns if name in single]
        drawn += _together(rows, members) if len(members) > 1 else members
    return list(single.values()), drawn


def leading_first(factors: Iterable[Factor], most: int) -> tuple[list[Factor], list[Factor]]:
    """Picks at most `most` factors that are crossed; returns them, and all with them first."""
    ordered = sorted(factors, key=lambda factor: (not factor.has_axis, bool(factor.names)))
    first: list[Factor] = []
    for factor in ordered:
        if len(first) < most and all(factor.crosses(before) for before in first):
            first.append(factor)
    return first, [*first, *(factor for factor in ordered if factor not in first)]


def _values(name: str, dtype: pl.DataType) -> pl.Expr:
    """Returns the column as numbers that are finite, or as text."""
    column = pl.col(name)
    if dtype.is_integer():
        return column
    if dtype.is_numeric():
        number = column.cast(pl.Float64)
        return pl.when(number.is_finite()).then(number)
    return column.cast(pl.String)


def _sampled(
    name: str, column: pl.Expr, counts: pl.DataFrame, sampled: Sampled, several: bool
) -> Factor:
    """Cuts the factor into so few ranges that most cells of a map hold a point."""
    few = several and sampled.count < MAX_RANGES**2
    count = MAX_RANGES // 2 if few else MAX_RANGES
    edges = _edges(sampled.low, sampled.high, count, log=sampled.log, whole=sampled.whole)
    nulls = bool(counts["value"].null_count())
    return replace(_in_ranges(name, column, edges, sampled.whole, nulls), sampled=True)


def _factor(name: str, dtype: pl.DataType, column: pl.Expr, counts: pl.DataFrame) -> Factor:
    """Returns the factor by its values if few, by ranges if numeric, or by common texts."""
    known = counts.drop_nulls("value")
    nulls = known.height < counts.height
    values = known["value"].to_list()
    many = len(values) > MAX_LEVELS
    if dtype.is_numeric() and many:
        low, high, whole = float(values[0]), float(values[-1]), dtype.is_integer()
        log = low > 0 and high / low > LOG_RATIO
        edges = _edges(low, high, MAX_RANGES, log=log, whole=whole)
        return _in_ranges(name, column, edges, whole, nulls)
    if many:
        common = known.sort("len", "value", descending=[True, False])
        values = common["value"].head(MAX_LEVELS - 1).to_list()
    if not dtype.is_numeric():
        values.sort(key=_natural)
    others = [OTHER] * many + [MISSING] * nulls
    return replace(_listed(name, dtype.is_numeric(), column, values, others), pooled=many)


def _natural(text: str) -> list[tuple[int, str]]:
    """Returns the sort key of a text with numbers in it: `1×4×4` comes before `1×12×12`."""
    parts = re.split(r"([0-9]+)", text)
    numbers = [part.lstrip("0") if place % 2 else part for place, part in enumerate(parts)]
    return [(len(part) if place % 2 else -1, part) for place, part in enumerate(numbers)]


def _listed(
    name: str, numeric: bool, column: pl.Expr, values: list[Any], others: list[str]
) -> Factor:
    labels = [written(value) if numeric else value or '""' for value in values]
    if numeric and len(set(labels)) < len(labels):
        labels = [repr(value) for value in values]
    labels += others
    places = [*map(float, values)] if numeric else [None] * len(values)
    level = (
        column.replace_strict(
            values, list(range(len(values))), default=len(values), return_dtype=pl.Int32
        )
        if values
        else pl.lit(0, pl.Int32)
    )
    return Factor(
        name,
        numeric,
        _distinct(labels),
        (*places, *[None] * len(others)),
        pl.when(column.is_null()).then(pl.lit(len(labels) - 1, pl.Int32)).otherwise(level),
    )


def _in_ranges(name: str, column: pl.Expr, edges: list[float], whole: bool, nulls: bool) -> Factor:
    labels = [*_range_labels(edges, whole), *[MISSING] * nulls]
    level = sum(((column >= edge).cast(pl.Int32) for edge in edges[1:-1]), pl.lit(0, pl.Int32))
    return Factor(
        name,
        True,
        _distinct(labels),
        (*_middles(edges), *[None] * nulls),
        pl.when(column.is_null()).then(pl.lit(len(labels) - 1, pl.Int32)).otherwise(level),
        ranges=True,
    )


def _edges(low: float, high: float, count: int, *, log: bool, whole: bool) -> list[float]:
    """Returns the ends of ranges of equal width or ratio; fewer of a few whole numbers."""
    parts = [part / count for part in range(count + 1)]
    edges = [low * (high / low) ** part if log else low + (high - low) * part for part in parts]
    edges[-1] = high
    return sorted({float(round(edge)) for edge in edges}) if whole else edges


def _middles(edges: Sequence[float]) -> list[float]:
    """Returns the position of each range: half-way, in ratios if the ranges are of equal ratio."""
    pairs = list(pairwise(edges))
    widths = [b - a for a, b in pairs]
    log = edges[0] > 0 and edges[-1] / edges[0] > 2 and widths[-1] > 2 * widths[0]
    return [math.sqrt(a * b) if log else (a + b) / 2 for a, b in pairs]


def _range_labels(edges: list[float], whole: bool) -> list[str]:
    """Formats each range: whole numbers inclusive, others with as few digits as distinguish."""
    if whole:
        ends = [edge - 1 for edge in edges[1:-1]] + [edges[-1]]
        return [
            written(a) if a == b else f"{written(a)} to {written(b)}"
            for a, b in zip(edges, ends, strict=False)
        ]
    for digits in range(2, 9):
        texts = [_short(edge, digits) for edge in edges]
        if len(set(texts)) == len(texts):
            break
    else:
        texts = [repr(edge) for edge in edges]
    return [f"{a} to {b}" for a, b in pairwise(texts)]


def written(value: float) -> str:
    """Formats a finite number: `0.25`, `5e-5`; fonts of charts may lack superscripts."""
    plain = value == 0 or 1e-3 <= abs(value) < 1e6
    return setting(value) if plain else _short(value, 3)


def _short(value: float, digits: int) -> str:
    """Formats it as `1.6e-5`: two powers of ten with a word between them fit no axis."""
    mantissa, *exponent = f"{value:.{digits}g}".split("e")
    return f"{mantissa}e{int(exponent[0])}" if exponent else mantissa


def _distinct(labels: Iterable[str]) -> tuple[str, ...]:
    """Returns the labels, with a number after one that was there before."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(found)


def _together(rows: pl.LazyFrame, members: list[Factor]) -> list[Factor]:
    """Returns the factors of columns that vary together, by which levels occur with which.

    Each level of one may occur with one level of another: `adam, 0.001`. It then names that level.
    If each implies the other, they share an axis.
    """
    related = [one for one in members if not (one.ranges or one.pooled)]
    points = rows.select(one.level.alias(one.name) for one in related).unique().collect()

    def implies(one: Factor, other: Factor) -> bool:
        return points[one.name].n_unique() == points.select(one.name, other.name).n_unique()

    classes: list[list[Factor]] = []
    for one in related:
        for found in classes:
            if implies(one, found[0]) and implies(found[0], one):
                found.append(one)
                break
        else:
            classes.append([one])
    # Lines through numbers that belong to different names would show what was never varied.
    classes = [
        sorted(found, key=lambda one: (_is_number(one), not one.numeric)) for found in classes
    ]
    joined = []
    for found in classes:
        coarser = [other for other in classes if other is not found and implies(found[0], other[0])]
        joined.append(_joined(found, coarser, points))
    return joined + [one for one in members if one not in related]


def _is_number(factor: Factor) -> bool:
    """Returns whether levels are numbers, or texts that differ only in numbers: `1×8×8`."""
    texts = {re.sub(r"\d+", "0", label) for label in factor.labels if label != MISSING}
    return factor.numeric or (len(texts) == 1 and "0" in texts.pop())


def _joined(same: list[Factor], coarser: list[list[Factor]], points: pl.DataFrame) -> Factor:
    """Returns the first factor, with labels that name the levels of all it implies."""
    factor = same[0]
    above = sorted((c for c in coarser if not _is_number(c[0])), key=lambda c: len(c[0].labels))
    below = [c for c in coarser if _is_number(c[0])]
    members = [*(one for c in above for one in c), *same, *(one for c in below for one in c)]
    if len(members) == 1:
        return factor
    names = [one.name for one in members]
    levels = points.select(names).unique().sort(names)
    columns = [one.label(levels[one.name]).to_list() for one in members]
    equal = all(column == columns[0] for column in columns)
    labels = [
        row[0] if equal else ", ".join(label for label in row if label != MISSING) or MISSING
        for row in zip(*columns, strict=True)
    ]
    own = levels[factor.name]
    return replace(
        factor,
        labels=_distinct(labels),
        positions=tuple(factor.position(own)),
        level=factor.level.replace_strict(own, list(range(len(own))), return_dtype=pl.Int32),
        heading=(" = " if equal else ", ").join(one.words for one in members),
        same=tuple(one.name for one in same[1:]),
        within=tuple(one.name for c in (*above, *below) for one in c),
        names=tuple(c[0].name for c in above),
    )
