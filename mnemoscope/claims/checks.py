"""The kinds of checks: a value that must be near, a bound that must be kept."""

import numpy as np
import polars as pl

from mnemoscope.claims.claim import Check


def near(what: str, *, predicted: float, measured: float, tolerance: float, runs: int) -> Check:
    """The measurement must be within the tolerance of the prediction."""
    return Check(what, predicted, measured, abs(measured - predicted), tolerance, runs)


def all_near_zero(what: str, runs: pl.DataFrame, column: str, *, tolerance: float) -> Check:
    """The largest of all runs must be within the tolerance of 0; one that is NaN fails all."""
    values = runs[column].drop_nulls().to_list()
    # numpy's maximum is NaN if one is; Python's and polars' pass over it.
    largest = float(np.max(values)) if values else float("nan")
    return near(what, predicted=0.0, measured=largest, tolerance=tolerance, runs=runs.height)


def at_most(
    what: str, *, bound: float, measured: float, runs: int, tolerance: float = 0.0
) -> Check:
    """The measurement may overstep the bound by no more than the tolerance."""
    return Check(what, bound, measured, _over(measured - bound), tolerance, runs)


def at_least(
    what: str, *, bound: float, measured: float, runs: int, tolerance: float = 0.0
) -> Check:
    """The measurement may fall short of the bound by no more than the tolerance."""
    return Check(what, bound, measured, _over(bound - measured), tolerance, runs)


def _over(excess: float) -> float:
    # `max` would take NaN for 0.
    return excess if not excess <= 0 else 0.0
