"""Numbers that were sampled: put into a few ranges, so that each holds enough runs to tell."""

import bisect
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import polars as pl

from mnemoscope.base.text import MISSING
from mnemoscope.report.sweep.factors import Factor, apart, edges_of, middles, ranges
from mnemoscope.report.sweep.nesting import drawn_at_random, monotone
from mnemoscope.report.sweep.tables import SweepTables, merged, pooled_counts

MOST_BINS = 8
"""Ranges of a sampled number; one of fewer values keeps them."""

SPARSE = 0.6
"""Two lists that somebody crossed fill their map; of sampled numbers, many cells stay empty."""

Bins = Mapping[str, Sequence[int]]
"""The new level of each old one, by the factor's name."""


def binned_tables(tables: SweepTables) -> tuple[SweepTables, Bins]:
    """The same counts with each sampled number in at most `MOST_BINS` ranges of equal width.

    Sampled is what has more than `MOST_BINS` values, and either more digits than anybody writes, or
    occurs with few of the values of another number. It is found from the runs there are, since a
    table knows no design. The width is equal on the scale, plain or of ratios, on which the values
    lie more evenly. Where two such numbers still leave many cells of their map empty, there were
    too few points for so many ranges, and two neighbors become one.

    Args:
        tables: The counts of a sweep.
    """
    sampled = {f.name: _in_bins(f) for f in tables.factors if _sampled(tables, f)}
    tables, first = _recoded(tables, sampled)
    wide = {
        factor.name: _halved(factor)
        for factor in tables.factors
        if _ranged(factor)
        and any(
            _sparse(tables, x, y)
            for x, y in combinations(tables.factors, 2)
            if factor in (x, y) and _ranged(x) and _ranged(y)
        )
    }
    tables, second = _recoded(tables, wide)
    bins = {
        name: [second[name][level] for level in first[name]]
        if name in first and name in second
        else first.get(name, second.get(name, ()))
        for name in {**first, **second}
    }
    return tables, bins


def _recoded(
    tables: SweepTables, found: Mapping[str, tuple[Factor, list[int]]]
) -> tuple[SweepTables, Bins]:
    if not found:
        return tables, {}
    bins = {name: levels for name, (_, levels) in found.items()}
    factors = tuple(found[f.name][0] if f.name in found else f for f in tables.factors)
    names = [factor.name for factor in factors]
    settings = merged(in_bins(tables.settings, bins), names)
    _, pools = pooled_counts(settings, names)
    return replace(tables, factors=factors, settings=settings, pools=pools), bins


def in_bins(levels: pl.DataFrame, bins: Bins) -> pl.DataFrame:
    """A table of levels with those of the ranges.

    Args:
        levels: With a column for each factor.
        bins: As `binned_tables` gives them.
    """
    return levels.with_columns(
        pl.col(name).replace_strict(list(range(len(new))), list(new), return_dtype=pl.Int8)
        for name, new in bins.items()
    )


def _sampled(tables: SweepTables, factor: Factor) -> bool:
    if not _many(factor):
        return False
    return drawn_at_random(factor) or any(
        _sparse(tables, x, y)
        for x, y in combinations(tables.factors, 2)
        if factor in (x, y) and all(drawn_at_random(one) or _many(one) for one in (x, y))
    )


def _many(factor: Factor) -> bool:
    placed = [place for place in factor.positions if place is not None]
    plain = factor.numeric and not (factor.binned or factor.heading or factor.within)
    return plain and len(placed) > MOST_BINS


def _sparse(tables: SweepTables, x: Factor, y: Factor) -> bool:
    pool = tables.pools[x.name, y.name]
    filled = pool.height / (len(x.labels) * len(y.labels))
    return filled < SPARSE and not monotone(pool, x, y)


def _ranged(factor: Factor) -> bool:
    return factor.binned and not (factor.heading or factor.within)


def _in_bins(factor: Factor) -> tuple[Factor, list[int]]:
    """The factor by ranges, and the range of each of its levels."""
    placed = [place for place in factor.positions if place is not None]
    whole = all(place == int(place) for place in placed)
    edges = edges_of(placed[0], placed[-1], MOST_BINS, log=_even_in_ratios(placed), whole=whole)
    held = [bisect.bisect_right(edges[1:-1], place) for place in placed]
    return _by_ranges(factor, edges, held, whole)


def _halved(factor: Factor) -> tuple[Factor, list[int]]:
    """The factor by half as many ranges, and the range of each of its levels."""
    edges = list(factor.edges)
    count = len(edges) - 1
    held = [level // 2 for level in range(count)]
    return _by_ranges(factor, [*edges[:-1:2], edges[-1]], held, factor.whole)


def _by_ranges(
    factor: Factor, edges: list[float], held: list[int], whole: bool
) -> tuple[Factor, list[int]]:
    labels = list(ranges(edges, whole))
    # A null is the last level before and after.
    nulls = len(factor.positions) > len(held)
    levels = held + [len(labels)] * nulls
    level = factor.level.replace_strict(
        list(range(len(levels))), levels, return_dtype=pl.Int32
    )  # fmt: skip
    return (
        replace(
            factor,
            labels=apart([*labels, *[MISSING] * nulls]),
            positions=(*middles(edges), *[None] * nulls),
            level=level,
            binned=True,
            edges=tuple(edges),
            whole=whole,
        ),
        levels,
    )


def _even_in_ratios(placed: Sequence[float]) -> bool:
    if placed[0] <= 0:
        return False
    off = []
    for values in (placed, [math.log(place) for place in placed]):
        middle = (statistics.median(values) - values[0]) / (values[-1] - values[0])
        off.append(abs(middle - 0.5))
    return off[1] < off[0]
