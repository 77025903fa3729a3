"""The lowest rows set to the least entry."""

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale


def _apply(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    kept = Z.shape[-2] - round(Z.shape[-2] * share)
    row = torch.arange(Z.shape[-2], device=Z.device)[:, None]
    return torch.where(row < kept, Z, scale.low)


CORRUPTION = Corruption(
    CorruptionLabel(
        "mask_lower_half",
        "masked lower half",
        "share of rows",
        "the lower {p:g}% of the rows masked",
    ),
    strengths=(0.5,),
    apply=_apply,
    pictures_only=True,
    order=5,
)
