"""Random pixels set to the least or the largest entry, with equal probability."""

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale, pixel_draws


def _apply(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    draw = pixel_draws(Z, generator)
    return torch.where(draw < share / 2, scale.low, torch.where(draw < share, scale.high, Z))


CORRUPTION = Corruption(
    CorruptionLabel(
        "salt_and_pepper",
        "salt and pepper",
        "share of pixels",
        "{p:g}% of the pixels turned to salt and pepper",
    ),
    strengths=(0.05, 0.1, 0.25, 0.5),
    apply=_apply,
    order=2,
)
