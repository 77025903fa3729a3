"""Each example mixed with another one, drawn at random."""

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale


def _apply(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    trials, n = Z.shape[:2]
    shift = 1 + torch.randint(n - 1, (trials, n), generator=generator, device=Z.device)
    other = (torch.arange(n, device=Z.device) + shift) % n
    trial = torch.arange(trials, device=Z.device)[:, None]
    return (1 - share) * Z + share * Z[trial, other]


CORRUPTION = Corruption(
    CorruptionLabel(
        "mix", "mixed examples", "the other's share", "{p:g}% of another example mixed in"
    ),
    strengths=(0.1, 0.25, 0.4),
    apply=_apply,
    min_examples=2,
    order=7,
)
