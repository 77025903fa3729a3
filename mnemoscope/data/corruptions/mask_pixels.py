"""Random pixels set to the least entry."""

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale, pixel_draws


def _apply(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    return torch.where(pixel_draws(Z, generator) >= share, Z, scale.low)


CORRUPTION = Corruption(
    CorruptionLabel(
        "mask_pixels", "masked pixels", "share of pixels", "{p:g}% of the pixels masked"
    ),
    strengths=(0.1, 0.25, 0.5, 0.75),
    apply=_apply,
    order=3,
)
