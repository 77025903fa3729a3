"""The unit of data: the scale by which tolerances, distances and losses are measured.

With states and distances in units, and losses in squared units, multiplying data and map by a
constant, or shifting both, changes no verdict.
"""

import logging
import math

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError

HEAVY_TAILS = 3.0
"""The full range is not the unit where it exceeds this many times the range between quantiles."""

TAIL = 0.001
"""The share of entries outside each of these two quantiles."""

MAX_STARTS = 1024
"""Starts whose ranges are looked at, evenly spread over all."""

MAX_ENTRIES = 2**22
"""Quantiles of more entries than this are those of an evenly spaced selection."""

UNEVEN = 100.0
"""Features of a table differ in scale where their ranges differ by more than this factor."""

FLAT = 1e-3
"""The unit of starts is at least this share of their level: a start may be nearly constant."""

_log = logging.getLogger("mnemoscope")


def unit_of(X: Float[Tensor, "n *shape"]) -> float:
    """Computes the unit of data, `max(X) - min(X)`.

    Where that exceeds `HEAVY_TAILS` times the range from the 0.1% to the 99.9% quantile, a few
    outliers would set the scale of all others, so the unit is that range, with a warning. Of
    constant data the unit is the largest modulus, or 1 for zeros. Entries that are not finite are
    left to the caller's own checks and ignored here.
    """
    entries = X.detach().flatten()
    # In parts, and without a copy of data that are finite: there may be many.
    if not all(bool(torch.isfinite(part).all()) for part in entries.split(MAX_ENTRIES)):
        entries = entries[torch.isfinite(entries)]
    if len(entries) == 0:
        return 1.0
    width = float(entries.max().double() - entries.min().double())
    if not 0 < width < math.inf:
        return float(entries.abs().max()) or 1.0
    inner = _inner_range(entries)
    if 0 < inner < width / HEAVY_TAILS:
        _log.warning(
            "the data range over %.4g, but 99.8%% of the entries over %.4g: the unit is %.4g "
            "(pass unit= to choose another)",
            width,
            inner,
            inner,
        )
        return inner
    return width


def unit_of_starts(Z: Float[Tensor, "n *shape"]) -> float:
    """Computes the unit where starts are all that is known of the scale of the data.

    The median over starts of the range of a start's entries; of states with one entry, the range
    of all starts. The median, since starts are often of many widths; of more than `MAX_STARTS`
    starts that of some, evenly spread. 1 for starts that are all zero.
    """
    flat = Z.detach().flatten(1)
    some = flat if flat.shape[1] == 1 else flat[:: -(-len(flat) // MAX_STARTS) or 1]
    some = some[torch.isfinite(some).all(1)]
    flat = some if len(some) else flat[torch.isfinite(flat).all(1)]
    if len(flat) == 0:
        return 1.0
    if flat.shape[1] == 1:
        width = float(flat.max() - flat.min())
    else:
        width = float((flat.amax(1) - flat.amin(1)).median())
    width = max(width, FLAT * float(flat.abs().amax(1).median()))
    return width if 0 < width < math.inf else 1.0


def checked_unit(unit: float) -> float:
    """Returns a unit that a caller passed, as a float."""
    try:
        value = float(unit)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _refused(unit) from error
    if not 0 < value < math.inf:
        raise _refused(unit)
    return value


def feature_units(X: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Computes the range of each feature of a table; of a constant feature its modulus, or 1."""
    low, high = X.amin(0), X.amax(0)
    level = high.abs().where(high.abs() > 0, torch.ones_like(high))
    return (high - low).where(high > low, level)


def uneven_features(X: Float[Tensor, "n *shape"]) -> float | None:
    """Computes the ratio of the largest range of a feature to the smallest that is not 0.

    None where it does not exceed `UNEVEN`, and for states that are no row of a table.
    """
    if X.ndim != 2 or len(X) < 2 or X.shape[1] < 2:
        return None
    ranges = X.amax(0) - X.amin(0)
    ranges = ranges[ranges > 0].double()
    if len(ranges) < 2:
        return None
    ratio = float(ranges.max() / ranges.min())
    return ratio if ratio > UNEVEN else None


def _inner_range(entries: Tensor) -> float:
    step = -(-len(entries) // MAX_ENTRIES)
    some = entries[::step].double().sort().values
    places = torch.tensor([TAIL, 1 - TAIL], dtype=torch.float64, device=some.device)
    at = places * (len(some) - 1)
    below = at.floor().long()
    above = at.ceil().long()
    low, high = torch.lerp(some[below], some[above], at - below).tolist()
    return high - low


def _refused(unit: object) -> MnemoscopeError:
    shape = getattr(unit, "shape", None)
    return MnemoscopeError(
        f"unit={unit!r}" if not shape else f"a unit of shape {tuple(shape)}",
        expected="a finite number above 0, in the scale of the data",
        todo="pass for example the difference between the largest and the smallest value",
        field="unit",
    )
