"""Corruptions of examples: what one is, all of them by name, and the draws that some share."""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base import check
from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.base.unit import checked_unit, unit_of


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


CORRUPTIONS = Registry(Corruption, __name__, __file__, order=lambda found: found.order)
"""Every corruption by name: each module in this folder, and those of installed packages."""


def corrupt(
    X: Float[Tensor, " n *shape"],
    kind: str,
    strength: float,
    *,
    seed: int = 0,
    generator: torch.Generator | None = None,
    trials: int = 1,
    unit: float | None = None,
) -> Float[Tensor, "trials n *shape"]:
    """Corrupts copies of every example; strength 0 changes nothing.

    Args:
        X: `(n, *shape)`, the examples; entries are not clipped afterwards.
        kind: A name in `CORRUPTIONS`.
        strength: What it measures depends on the kind.
        seed: Random seed; unused where a generator is given.
        generator: Random generator, on the device of `X`.
        trials: Number of copies of each example, each corrupted independently.
        unit: The unit of the data (default: that of `X`); Gaussian noise is a share of it.

    Raises:
        MnemoscopeError: the kind is unknown, its strength out of range, or it needs pictures or
            more examples.
    """
    corruption = CORRUPTIONS[check.one_of("kind", kind, CORRUPTIONS)]
    low, high = corruption.low, corruption.high
    real = isinstance(strength, numbers.Real) and math.isfinite(strength)
    if not real or not low <= strength <= high:
        expected = f"{corruption.label.strength}, a finite number from {low:g} to {high:g}"
        raise check.invalid("strength", strength, expected)
    trials = check.whole_number("trials", trials, least=1)
    seed = check.seed(seed)
    if X.ndim < 2 or not X.is_floating_point():
        raise MnemoscopeError(
            f"examples of shape {tuple(X.shape)} and {X.dtype}",
            expected="(n, *shape) of a floating-point dtype",
            todo="load them with load_data, which converts them to float32",
            field="X",
        )
    if corruption.pictures_only and X.ndim < 3:
        others = [name for name, other in CORRUPTIONS.items() if not other.pictures_only]
        raise MnemoscopeError(
            f"{kind} of states of shape {tuple(X.shape[1:])}",
            expected="pictures (channels, height, width)",
            todo=f"choose a corruption of vectors: {', '.join(others)}",
            field="kind",
            choices=others,
        )
    copies = X.detach().expand(trials, *X.shape)
    if strength == 0:
        return copies.clone()
    if len(X) < corruption.min_examples:
        raise MnemoscopeError(
            f"{kind} of {len(X)} example",
            expected=f"at least {corruption.min_examples} examples",
            todo="choose another corruption",
            field="kind",
        )
    generator = generator or torch.Generator(X.device).manual_seed(seed)
    unit = unit_of(X) if unit is None else checked_unit(unit)
    scale = Scale(float(X.min()), float(X.max()), unit)
    return corruption.apply(copies, strength, generator, scale)


def pixel_draws(Z: Tensor, generator: torch.Generator) -> Tensor:
    """Draws a number in [0, 1) for each pixel, the same in all channels, or for each entry."""
    shape = Z.shape if Z.ndim != 5 else torch.Size([*Z.shape[:2], 1, *Z.shape[3:]])
    return uniform_draws(Z, shape, generator)


def uniform_draws(Z: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draws numbers in [0, 1), in the dtype and on the device of `Z`."""
    return torch.rand(shape, generator=generator, device=Z.device, dtype=Z.dtype)
