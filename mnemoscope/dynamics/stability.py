"""Decides whether a fixed point attracts."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.dynamics.contraction import contraction
from mnemoscope.linalg import decisive_spectrum
from mnemoscope.maps import SelfMap, compare_growth


def stability(
    f: SelfMap, points: Float[Tensor, "n *shape"]
) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """Computes the spectral radius at each fixed point, and whether the point attracts.

    It does if the upper bound on the spectral radius is below 1 by more than rounding of the map
    (100 eps): a state that merely does not move away (the identity, a rotation) is no attractor.
    For a map measured by its values the radius is the rate at which differences between orbits
    shrink, and the upper end of its interval must be below 1.
    """
    compare_growth(f, points)
    if f.by_values:
        found = contraction(f, points)
        return found.rate, found.high < 1
    margin = 100 * torch.finfo(f.dtype).eps
    spectrum = decisive_spectrum(f, points, margin=margin, dtype=f.dtype)
    # The radius is no larger than the bound.
    radius = torch.minimum(spectrum.radius, spectrum.upper)
    attracts = spectrum.upper + margin < 1
    return radius.to(points), attracts.to(points.device)
