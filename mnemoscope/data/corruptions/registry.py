"""All corruptions, and the function that applies one by name."""

import math
import numbers

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base import check
from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.unit import checked_unit, unit_of
from mnemoscope.data.corruptions.corruption import Corruption, Scale

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
    scale = Scale(
        float(X.min()), float(X.max()), unit_of(X) if unit is None else checked_unit(unit)
    )
    return corruption.apply(copies, strength, generator, scale)
