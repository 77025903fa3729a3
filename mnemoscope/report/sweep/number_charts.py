"""What was measured beside the headline shares: against each factor, and over pairs of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from altair.typing import ChartType

from mnemoscope.report.sweep.curves import (
    MOST_BANDS,
    MOST_COLOURS,
    coloured_curves,
    comparable,
    plain_curve,
)
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.heat import share_map
from mnemoscope.report.sweep.marks import estimated
from mnemoscope.report.sweep.measured import Number, Quantity
from mnemoscope.report.sweep.nesting import MOST_LEADING
from mnemoscope.report.sweep.tables import SweepTables

MOST_CHARTS = 60
"""Charts of such quantities on a page: what would lead beyond them is named and not drawn."""

ROUNDING = 1e-12
"""Relative deviation of what is the same in every run."""

OF_HEADLINES = ("recalled",)
"""The headline shares that have no charts elsewhere."""

MOST_CROSSED = 3
"""Factors of which each colours the curves over each other; of more, only the first does."""


@dataclass(frozen=True)
class Drawn:
    """A quantity with its charts.

    Attributes:
        quantity: What is drawn.
        curves: By name, each with what it shows in words.
        maps: Likewise.
    """

    quantity: Quantity
    curves: dict[str, tuple[ChartType, str]]
    maps: dict[str, tuple[ChartType, str]]


@dataclass(frozen=True)
class Undrawn:
    """The quantities that have no chart, by why.

    Attributes:
        empty: No run has one that counts.
        same: All runs have the same.
        beyond: There was no room for them.
    """

    empty: tuple[str, ...]
    same: tuple[str, ...]
    beyond: tuple[str, ...]


def number_charts(tables: SweepTables) -> tuple[list[Drawn], Undrawn]:
    """The charts of what was measured, in its order, until there are `MOST_CHARTS`.

    Args:
        tables: The counts of a sweep, by the factors that are drawn.
    """
    empty, same, varied = [], [], []
    apart = [share for name, share in tables.shares.items() if name in OF_HEADLINES]
    own = [one for one in tables.measured.values() if isinstance(one, Number) and one.own]
    others = [one for one in tables.measured.values() if not (isinstance(one, Number) and one.own)]
    for quantity in (*own, *apart, *others):
        row = estimated(tables.overall, quantity).row(0, named=True)
        kind = empty if not row["runs"] else same if _same(row, quantity) else varied
        kind.append(quantity)
    each = len(list(_over_factors(tables))) + len(list(_over_pairs(tables)))
    room = max(1, MOST_CHARTS // max(1, each))
    drawn = [_drawn(tables, quantity) for quantity in varied[:room]]
    names = (tuple(one.name for one in some) for some in (empty, same, varied[room:]))
    return drawn, Undrawn(*names)


def _same(row: dict, quantity: Quantity) -> bool:
    if isinstance(quantity, Number):
        deviation = (row[f"square:{quantity.name}"] / row["runs"]) ** 0.5
        return deviation <= ROUNDING * abs(row["rate"] or 0)
    return row["rate"] in (0, 1)


def _drawn(tables: SweepTables, quantity: Quantity) -> Drawn:
    places = [factor.name for factor in tables.factors]
    curves: dict[str, tuple[ChartType, str]] = {}
    for x, by in _over_factors(tables):
        along = replace(x, within=()) if by is not None else x
        words = f"{quantity.title} against {x.words}"
        if by is None:
            chart = plain_curve(tables.pools[x.name,], quantity, along)
            curves[f"{quantity.name}-over-{x.name}"] = (chart, words)
        else:
            names = sorted((x.name, by.name), key=places.index)
            chart = coloured_curves(tables.pools[tuple(names)], quantity, along, by)
            curves[f"{quantity.name}-over-{x.name}-by-{by.name}"] = (
                chart, f"{words}, colored by {by.title}"
            )  # fmt: skip
    maps = {
        f"{quantity.name}-{x.name}-{y.name}": (
            share_map(tables.pools[x.name, y.name], quantity, x, y),
            f"{quantity.title} against {x.title} and {y.title}",
        )
        for x, y in _over_pairs(tables)
    }
    return Drawn(quantity, curves, maps)


def _over_factors(tables: SweepTables) -> Iterator[tuple[Factor, Factor | None]]:
    """Each factor with those that colour it; with none where no other can."""
    factors = tables.factors
    for x in factors:
        numeric = replace(x, within=()).on_an_axis
        most = MOST_COLOURS if numeric else MOST_BANDS
        found = [
            by for by in factors
            if by is not x and len(by.labels) <= most
            and (comparable(tables, x, by) if numeric else tables.crossed(x, by))
        ]  # fmt: skip
        few = numeric and len(factors) <= MOST_CROSSED
        if found:
            yield from ((x, by) for by in (found if few else found[:1]))
        else:
            yield x, None


def _over_pairs(tables: SweepTables) -> Iterator[tuple[Factor, Factor]]:
    for x, y in combinations(tables.factors[:MOST_LEADING], 2):
        if tables.crossed(x, y):
            yield x, y
