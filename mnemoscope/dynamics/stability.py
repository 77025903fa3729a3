"""Whether a fixed point attracts."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.dynamics.contraction import contraction
from mnemoscope.linalg import spectral_radius
from mnemoscope.maps import SelfMap


def stability(
    f: SelfMap, points: Float[Tensor, "n *shape"]
) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """The spectral radius at each fixed point, and whether the point attracts.

    It does if that is below 1 by more than the spectrum's own residual and rounding (100 eps): a
    state that merely does not move away (the identity, a rotation) is no attractor. Of a map
    without derivatives the rate at which differences between orbits shrink is taken, and the upper
    end of its interval must be below 1.
    """
    if not f.differentiable:
        found = contraction(f, points)
        return found.rate, found.high < 1
    radius, info = spectral_radius(f, points, return_info=True)
    margin = info.residual[:, 0] + 100 * torch.finfo(f.dtype).eps
    return radius, radius + margin < 1
