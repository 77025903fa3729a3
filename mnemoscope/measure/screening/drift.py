"""How far the map carries examples in a few steps: the evaluations of a screening."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap

STEPS = 8
"""Steps after which the drift is measured."""

EVALUATIONS = STEPS + 1
"""Evaluations of the map at each example."""


@dataclass(frozen=True)
class Drift:
    """What the first steps from each example are.

    Attributes:
        residual: `(n,)`, RMS of `f(x) - x`, in units.
        drift: `(n,)`, RMS of `f^8(x) - x`, in units. That of a stored example is at most about
            `match_tol`; one that is carried away has a larger one.
        step: `(n,)`, RMS of `f^9(x) - f^8(x)`, in units: small where the orbit settles.
    """

    residual: Float[Tensor, " n"]
    drift: Float[Tensor, " n"]
    step: Float[Tensor, " n"]


def drift(f: SelfMap, x: Float[Tensor, "n *shape"]) -> Drift:
    """Applies the map `EVALUATIONS` times to a batch of its states.

    Args:
        f: The map, with the unit of the data.
        x: `(n, *shape)`, states on its device and in its dtype.

    Returns:
        The numbers, float64 on the CPU; NaN where an orbit leaves the finite numbers.
    """
    z = f(x)
    residual = rms(z - x)
    for _ in range(STEPS - 1):
        z = f(z)
    away = rms(z - x)
    step = rms(f(z) - z)
    found = torch.stack([residual, away, step]).to("cpu", torch.float64) / f.unit
    return Drift(*torch.where(torch.isfinite(found), found, torch.nan))
