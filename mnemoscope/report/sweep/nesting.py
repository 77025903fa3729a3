"""Factors that go together: one that tells another is drawn with it on one axis, not against it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import polars as pl

from mnemoscope.base.text import MISSING
from mnemoscope.report.sweep.factors import Factor, apart
from mnemoscope.report.sweep.tables import SweepTables, pooled_counts

MOST_LEADING = 3

SCATTERED = 6
"""Numbers without an order in common are a sample, not a list somebody wrote, from so many on."""


@dataclass(frozen=True)
class Bond:
    """Why a factor is not drawn against another.

    Attributes:
        factor: The name of the one whose levels tell the others' levels.
        others: The names of the others, as words.
        mutual: Whether they tell its level, too: then they have no axis of their own.
        label: A level as it is drawn.
    """

    factor: str
    others: tuple[str, ...]
    mutual: bool
    label: str


@dataclass(frozen=True)
class Gap:
    """Two factors that were not run in every combination.

    Attributes:
        factors: Their names as words.
        combinations: How many were run.
        of: How many there could be.
    """

    factors: tuple[str, str]
    combinations: int
    of: int


def gaps(tables: SweepTables) -> list[Gap]:
    """The pairs that lack combinations, so that a share pooled over one mixes in the other.

    Args:
        tables: As `drawn_tables` gives them.
    """
    listed = [f for f in tables.factors if not (f.binned or f.within or drawn_at_random(f))]
    told = [
        Gap(
            (x.words, y.words),
            tables.pools[x.name, y.name].height,
            len(x.labels) * len(y.labels),
        )
        for x, y in combinations(listed, 2)
        if tables.crossed(x, y)
    ]
    return [gap for gap in told if gap.combinations < gap.of]


def drawn_tables(tables: SweepTables) -> tuple[SweepTables, list[Bond]]:
    """The same counts by the factors that have an axis, and which factors share one.

    Of two factors that were varied together, each level of one may occur with one level of the
    other alone. It then carries the other's level in its labels: `adam, 0.001`. If both do, the
    other is left out. It is found from the runs there are, since a table knows no design.

    Args:
        tables: The counts of a sweep by all its factors.

    Returns:
        The tables, whose `apart` names the pairs that are not drawn, and a note for each factor
        that carries others.
    """
    told = _told(tables)
    classes = _classes(tables.factors, told)
    if len(classes) == len(tables.factors) and not told:
        return tables, []
    coarser = {
        one[0].name: [other for other in classes if (one[0].name, other[0].name) in told
                      and other is not one]
        for one in classes
    }  # fmt: skip
    recoded = {one[0].name: _joined(tables, one, coarser[one[0].name]) for one in classes}
    factors = [factor for factor, _ in recoded.values()]
    places = {
        name: pl.col(name).replace_strict(
            list(range(len(order))), _inverse(order), return_dtype=pl.Int8
        )
        for name, (_, order) in recoded.items()
    }
    names = {factor.name for factor in tables.factors}
    settings = tables.settings.drop(names - places.keys()).with_columns(
        place.alias(name) for name, place in places.items()
    )
    not_crossed = frozenset(
        frozenset((name, other[0].name)) for name, others in coarser.items() for other in others
    )
    ordered = _leading_first(factors, not_crossed)
    _, pools = pooled_counts(settings, [factor.name for factor in ordered])
    drawn = replace(tables, factors=ordered, settings=settings, pools=pools, apart=not_crossed)
    return drawn, _bonds(classes, coarser, {factor.name: factor for factor in factors})


def leading(tables: SweepTables) -> SweepTables:
    """The tables with the first factors alone, at most three, that are crossed with each other.

    Args:
        tables: As `drawn_tables` gives them.
    """
    found: list[Factor] = []
    for factor in tables.factors[:MOST_LEADING]:
        if not all(tables.crossed(factor, before) for before in found):
            break
        found.append(factor)
    return replace(tables, factors=tuple(found))


def _told(tables: SweepTables) -> set[tuple[str, str]]:
    """The pairs of names of which each level of the first occurs with one of the second alone."""
    random = [factor for factor in tables.factors if drawn_at_random(factor)]
    # A whole number drawn beside them differs at each point, too.
    points = {len(factor.labels) for factor in random}
    listed = [factor for factor in tables.factors
              if not (factor.binned or factor.pooled or len(factor.labels) in points)]  # fmt: skip
    told: set[tuple[str, str]] = set()
    for x, y in combinations(listed, 2):
        pool = tables.pools[x.name, y.name]
        scattered = _numbered(x) and _numbered(y) and not monotone(pool, x, y)
        if scattered and min(len(x.labels), len(y.labels)) >= SCATTERED:
            continue
        for one, other in ((x, y), (y, x)):
            if pool.height == len(one.labels):
                told.add((one.name, other.name))
    return told


def drawn_at_random(factor: Factor) -> bool:
    """Whether its numbers have more digits than anybody writes.

    Args:
        factor: Of a sweep.
    """
    placed = (place for place in factor.positions if place is not None)
    return any(not math.isclose(place, float(f"{place:.6g}"), rel_tol=1e-12) for place in placed)


def _numbered(factor: Factor) -> bool:
    """Whether its levels are numbers, or texts that differ in their numbers alone: `1×8×8`."""
    texts = {re.sub(r"\d+", "0", label) for label in factor.labels if label != MISSING}
    return factor.numeric or (len(texts) == 1 and "0" in texts.pop())


def monotone(pool: pl.DataFrame, x: Factor, y: Factor) -> bool:
    """Whether one number never falls, or never rises, where the other rises.

    Args:
        pool: Counts by both factors.
        x: One.
        y: The other.
    """
    nulls = [pl.col(one.name) == one.labels.index(MISSING) for one in (x, y)
             if one.labels[-1] == MISSING]  # fmt: skip
    known = pool.filter(~pl.any_horizontal(nulls)) if nulls else pool
    steps = known.sort(x.name, y.name)[y.name].cast(pl.Int32).diff().drop_nulls()
    return bool((steps >= 0).all() or (steps <= 0).all())


def _classes(factors: Sequence[Factor], told: set[tuple[str, str]]) -> list[list[Factor]]:
    """Factors that tell each other's levels, each class with the one that stands for it first."""
    classes: list[list[Factor]] = []
    for factor in factors:
        for one in classes:
            if all((factor.name, x.name) in told and (x.name, factor.name) in told for x in one):
                one.append(factor)
                break
        else:
            classes.append([factor])
    # Lines through numbers that belong to different names would tell of what was never varied.
    return [sorted(one, key=_numbered) for one in classes]


def _joined(
    tables: SweepTables, one: list[Factor], coarser: list[list[Factor]]
) -> tuple[Factor, list[int]]:
    """The factor with the labels of all that it tells, and its former levels in the new order."""
    factor, *same = one
    above = sorted((c for c in coarser if not _numbered(c[0])), key=lambda c: len(c[0].labels))
    below = [c for c in coarser if _numbered(c[0])]
    members = [*(x for c in above for x in c), factor, *same, *(x for c in below for x in c)]
    if len(members) == 1:
        return factor, list(range(len(factor.labels)))
    levels = {x.name: _levels_of(tables, factor, x) for x in members}
    order = sorted(
        range(len(factor.labels)),
        key=lambda level: [*(levels[c[0].name][level] for c in above), level],
    )
    columns = [[x.labels[levels[x.name][level]] for level in order] for x in members]
    equal = all(column == columns[0] for column in columns)
    rows = [columns[0]] if equal else columns
    labels = [
        ", ".join(x for x in row if x != MISSING) or MISSING for row in zip(*rows, strict=True)
    ]
    carried = replace(
        factor,
        labels=apart(labels),
        positions=tuple(factor.positions[level] for level in order),
        level=factor.level.replace_strict(
            list(range(len(order))), _inverse(order), return_dtype=pl.Int32
        ),
        heading=(" = " if equal else ", ").join(x.words for x in members),
        within=tuple(c[0].name for c in above),
    )
    return carried, order


def _levels_of(tables: SweepTables, factor: Factor, other: Factor) -> list[int]:
    """The level of the other beside each level of the factor."""
    if factor is other:
        return list(range(len(factor.labels)))
    names = (factor.name, other.name)
    pool = tables.pools[names if names in tables.pools else names[::-1]]
    return pool.sort(factor.name)[other.name].to_list()


def _inverse(order: list[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


def _leading_first(
    factors: Sequence[Factor], not_crossed: frozenset[frozenset[str]]
) -> tuple[Factor, ...]:
    """Those with an axis first, and before all the first that are crossed with each other."""
    waiting = sorted(factors, key=lambda factor: (not factor.on_an_axis, bool(factor.within)))
    first: list[Factor] = []
    for factor in waiting:
        if len(first) < MOST_LEADING and not any(
            frozenset((factor.name, before.name)) in not_crossed for before in first
        ):
            first.append(factor)
    names = [factor.name for factor in first]
    return (*first, *(factor for factor in waiting if factor.name not in names))


def _bonds(
    classes: list[list[Factor]], coarser: dict[str, list[list[Factor]]], drawn: dict[str, Factor]
) -> list[Bond]:
    bonds = []
    for (factor, *same), others in ((one, coarser[one[0].name]) for one in classes):
        label = drawn[factor.name].labels[0]
        if same:
            bonds.append(Bond(factor.words, tuple(x.words for x in same), True, label))
        if others:
            bonds.append(Bond(factor.words, tuple(c[0].words for c in others), False, label))
    return bonds
