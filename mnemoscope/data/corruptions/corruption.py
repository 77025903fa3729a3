"""One way to corrupt examples, and the draws that several of them share."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel


@dataclass(frozen=True)
class Scale:
    """The scale of the examples, which corruptions are relative to.

    Attributes:
        low: The least entry of all examples.
        high: The largest entry.
        unit: The unit of the data.
    """

    low: float
    high: float
    unit: float


@dataclass(frozen=True)
class Corruption:
    """One way to corrupt examples.

    Attributes:
        label: Its name, and how people read it.
        strengths: Default strengths, for a curve.
        apply: Maps copies `(trials, n, *shape)`, a strength above 0, a generator and the data's
            scale to corrupted copies.
        low: The least strength, at which nothing changes.
        high: The largest strength, or infinity.
        pictures_only: Whether states must have a height and a width.
        min_examples: Minimum number of examples.
        order: Position among all corruptions.
    """

    label: CorruptionLabel
    strengths: tuple[float, ...]
    apply: Callable[[Tensor, float, torch.Generator, Scale], Tensor]
    low: float = 0.0
    high: float = 1.0
    pictures_only: bool = False
    min_examples: int = 1
    order: int = 100

    @property
    def name(self) -> str:
        """The name in tables and on the command line."""
        return self.label.name


def pixel_draws(Z: Tensor, generator: torch.Generator) -> Tensor:
    """Draws a number in [0, 1) for each pixel, the same in all channels, or for each entry."""
    shape = Z.shape if Z.ndim != 5 else torch.Size([*Z.shape[:2], 1, *Z.shape[3:]])
    return uniform_draws(Z, shape, generator)


def uniform_draws(Z: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draws numbers in [0, 1), in the dtype and on the device of `Z`."""
    return torch.rand(shape, generator=generator, device=Z.device, dtype=Z.dtype)
