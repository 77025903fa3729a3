"""Gaussian noise on every entry; its standard deviation is a share of the unit."""

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale


def _apply(Z: Tensor, deviation: float, generator: torch.Generator, scale: Scale) -> Tensor:
    noise = torch.randn(Z.shape, generator=generator, device=Z.device, dtype=Z.dtype)
    return Z + deviation * scale.unit * noise


CORRUPTION = Corruption(
    CorruptionLabel(
        "gaussian", "Gaussian noise", "standard deviation", "noise of standard deviation {s:g}"
    ),
    strengths=(0.05, 0.1, 0.2, 0.4, 0.8),
    apply=_apply,
    high=float("inf"),
    order=1,
)
