"""Exponents of power laws: slopes of logarithms, with their errors."""

import math
from collections.abc import Sequence

import torch


def log_slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Fits the slope of `log y` against `log x` by least squares, and its standard error.

    NaN for fewer than three points or a single `x`.

    Example:
        >>> round(log_slope([1, 4, 16], [1.0, 0.5, 0.25])[0], 6)
        -0.5
    """
    if len(x) < 3 or len(set(x)) < 2:
        return math.nan, math.nan
    a = torch.tensor(x, dtype=torch.float64).log()
    b = torch.tensor(y, dtype=torch.float64).log()
    a, b = a - a.mean(), b - b.mean()
    found = a @ b / (a @ a)
    error = ((b - found * a).square().sum() / (len(a) - 2) / (a @ a)).sqrt()
    return float(found), float(error)
