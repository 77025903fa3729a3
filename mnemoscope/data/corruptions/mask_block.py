"""A rectangle at a random place set to the least entry."""

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale, uniform_draws


def _apply(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    height, width = Z.shape[-2:]
    tall, wide = (max(1, round(side * share**0.5)) for side in (height, width))
    corner = torch.Size([*Z.shape[:2], *[1] * (Z.ndim - 2)])
    top = (uniform_draws(Z, corner, generator) * (height - tall + 1)).floor()
    left = (uniform_draws(Z, corner, generator) * (width - wide + 1)).floor()
    row = torch.arange(height, device=Z.device)[:, None]
    column = torch.arange(width, device=Z.device)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    return torch.where(inside, scale.low, Z)


CORRUPTION = Corruption(
    CorruptionLabel(
        "mask_block",
        "masked block",
        "share of the picture",
        "a block of {p:g}% of the picture masked",
    ),
    strengths=(0.1, 0.25, 0.5),
    apply=_apply,
    pictures_only=True,
    order=4,
)
