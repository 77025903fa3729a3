"""The kinds of checks: a value that must be near a prediction, a bound, or a share."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from mnemoscope.claims.claim import Check

NEARLY_ALL = 0.05
"""Tolerance where a source says "all" and gives no rate: one exception in twenty."""


def near(what: str, *, predicted: float, measured: float, tolerance: float, runs: int) -> Check:
    """Checks that the measurement is within the tolerance of the prediction."""
    return Check(what, predicted, measured, abs(measured - predicted), tolerance, runs)


def all_near_zero(what: str, runs: pl.DataFrame, column: str, *, tolerance: float) -> Check:
    """Checks that the largest of all runs is within the tolerance of 0; one NaN fails all."""
    values = runs[column].drop_nulls().to_list()
    # numpy's maximum is NaN if one value is; those of Python and polars ignore NaN.
    largest = float(np.max(values)) if values else math.nan
    return near(what, predicted=0.0, measured=largest, tolerance=tolerance, runs=runs.height)


def at_most(
    what: str, *, bound: float, measured: float, runs: int, tolerance: float = 0.0
) -> Check:
    """Checks that the measurement exceeds the bound by no more than the tolerance."""
    return Check(what, bound, measured, _over(measured - bound), tolerance, runs)


def at_least(
    what: str, *, bound: float, measured: float, runs: int, tolerance: float = 0.0
) -> Check:
    """Checks that the measurement falls short of the bound by no more than the tolerance."""
    return Check(what, bound, measured, _over(bound - measured), tolerance, runs)


def nearly_all(
    what: str,
    runs: pl.DataFrame,
    count: str,
    total: str | None = None,
    *,
    tolerance: float = NEARLY_ALL,
    networks: int | None = None,
) -> Check:
    """Checks that the share over all runs is 1, up to the tolerance.

    Args:
        what: The quantity, in words.
        runs: Runs that interpolated.
        count: Column of counts.
        total: Column of totals (default: 1 for each run).
        tolerance: Largest share that may be missing.
        networks: Number of networks (default: a row is a network).
    """
    measured, height = share(runs, count, total), runs.height if networks is None else networks
    return at_least(what, bound=1.0, measured=measured, runs=height, tolerance=tolerance)


def nearly_none(
    what: str,
    runs: pl.DataFrame,
    count: str,
    total: str | None = None,
    *,
    tolerance: float = NEARLY_ALL,
) -> Check:
    """Checks that the share over all runs is 0, up to the tolerance."""
    return at_most(
        what,
        bound=0.0,
        measured=share(runs, count, total),
        runs=runs.height,
        tolerance=tolerance,
    )


def share(runs: pl.DataFrame, count: str, total: str | None = None) -> float:
    """Computes the rate over all rows; NaN where there is nothing to count.

    Args:
        runs: The rows.
        count: Column of counts, or of truth values.
        total: Column of totals (default: 1 for each row).
    """
    out_of = runs.height if total is None else int(runs[total].sum())
    return int(runs[count].sum()) / out_of if out_of else math.nan


def each_value(runs: pl.DataFrame, column: str) -> Iterator[tuple[Any, pl.DataFrame]]:
    """Yields every value of a column, with those of its runs that interpolated."""
    for value in runs[column].unique(maintain_order=True):
        yield value, runs.filter("interpolated", pl.col(column) == value)


def _over(excess: float) -> float:
    # `max` would turn NaN into 0.
    return excess if not excess <= 0 else 0.0
