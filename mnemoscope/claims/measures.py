"""What claims measure of a network, beside what the layers below measure themselves."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.states import rms

MATCH = 1e-2
"""An attractor within this RMS distance of an example stores it, as in an audit."""


def stored(f: nn.Module, X: Float[Tensor, "n *shape"]) -> Bool[Tensor, " n"]:
    """Which examples' own orbits end at an attractor that matches them."""
    census = find_attractors(f, X, X)
    found = census.labels >= 0
    away = rms(census.attractors[census.labels.clamp_min(0)] - X) if len(census.attractors) else 0
    return found & (torch.as_tensor(away) <= MATCH)
