"""Corrupted examples: noise, masks, blur, mixtures."""

import difflib
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.unit import checked_unit, unit_of

Corrupt = Callable[[Tensor, float, torch.Generator, "Scale"], Tensor]


@dataclass(frozen=True)
class Scale:
    """The scale of the examples that a corruption is measured by.

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
        meaning: What it does, in a few words.
        strength: What its strength measures.
        strengths: Strengths for a curve.
        low: The least strength: nothing is changed.
        high: The largest strength, or infinity.
        pictures_only: Whether states must have a height and a width.
        apply: From copies `(trials, n, *shape)`, a strength, a generator and the data's scale to
            corrupted copies.
    """

    meaning: str
    strength: str
    strengths: tuple[float, ...]
    high: float
    pictures_only: bool
    apply: Corrupt
    low: float = 0.0


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
    """Corrupted copies of every example; strength 0 changes nothing.

    Args:
        X: `(n, *shape)`, the examples; entries are not clipped afterwards.
        kind: A name in `CORRUPTIONS`.
        strength: What it measures depends on the kind.
        seed: Of the draws, where no generator is given.
        generator: Draws go on from it; on the device of `X`.
        trials: Copies of each example, each corrupted by itself.
        unit: The unit of the data (default: that of `X`); Gaussian noise is a share of it.

    Raises:
        MnemoscopeError: the kind is unknown, its strength out of range, or it needs pictures.
    """
    if kind not in CORRUPTIONS:
        near = difflib.get_close_matches(str(kind), CORRUPTIONS, n=1)
        raise MnemoscopeError(
            f"corruption {kind!r}",
            expected=f"one of {', '.join(CORRUPTIONS)}",
            todo=f"did you mean {near[0]}?" if near else "choose one of these",
        )
    corruption = CORRUPTIONS[kind]
    if (
        not isinstance(strength, numbers.Real)
        or not math.isfinite(strength)
        or not corruption.low <= strength <= corruption.high
    ):
        raise MnemoscopeError(
            f"{kind} of strength {strength!r}",
            expected=f"{corruption.strength}, {corruption.low:g} to {corruption.high:g}, finite",
            todo="choose a strength in that range",
        )
    trials = whole_number("trials", trials, least=1)
    seed = whole_number("seed", seed, least=0, most=LARGEST_SEED)
    if X.ndim < 2 or not X.is_floating_point():
        raise MnemoscopeError(
            f"examples of shape {tuple(X.shape)} and {X.dtype}",
            expected="(n, *shape) of a floating-point dtype",
            todo="load them with load_data, which brings them to float32 in [0, 1]",
        )
    if corruption.pictures_only and X.ndim < 3:
        raise MnemoscopeError(
            f"{kind} of states of shape {tuple(X.shape[1:])}",
            expected="pictures (channels, height, width)",
            todo="choose a corruption that vectors admit: "
            + ", ".join(name for name, c in CORRUPTIONS.items() if not c.pictures_only),
        )
    copies = X.detach().expand(trials, *X.shape)
    if strength == 0:
        return copies.clone()
    generator = generator or torch.Generator(X.device).manual_seed(seed)
    scale = Scale(
        float(X.min()), float(X.max()), unit_of(X) if unit is None else checked_unit(unit)
    )
    return corruption.apply(copies, strength, generator, scale)


def _gaussian(Z: Tensor, deviation: float, generator: torch.Generator, scale: Scale) -> Tensor:
    noise = torch.randn(Z.shape, generator=generator, device=Z.device, dtype=Z.dtype)
    return Z + deviation * scale.unit * noise


def _salt_and_pepper(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    draw = _uniform(Z, _pixels(Z), generator)
    return torch.where(draw < share / 2, scale.low, torch.where(draw < share, scale.high, Z))


def _mask_pixels(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    return torch.where(_uniform(Z, _pixels(Z), generator) >= share, Z, scale.low)


def _mask_block(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    height, width = Z.shape[-2:]
    tall, wide = (max(1, round(side * share**0.5)) for side in (height, width))
    corner = torch.Size([*Z.shape[:2], *[1] * (Z.ndim - 2)])
    top = (_uniform(Z, corner, generator) * (height - tall + 1)).floor()
    left = (_uniform(Z, corner, generator) * (width - wide + 1)).floor()
    row = torch.arange(height, device=Z.device)[:, None]
    column = torch.arange(width, device=Z.device)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    return torch.where(inside, scale.low, Z)


def _mask_lower_half(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    kept = Z.shape[-2] - round(Z.shape[-2] * share)
    row = torch.arange(Z.shape[-2], device=Z.device)[:, None]
    return torch.where(row < kept, Z, scale.low)


def _blur(Z: Tensor, deviation: float, generator: torch.Generator, scale: Scale) -> Tensor:
    """A Gaussian of this standard deviation, mirrored at the edges, so that means are kept."""
    rows, columns = (_blurring(side, deviation).to(Z) for side in Z.shape[-2:])
    return rows @ Z @ columns.mT


def _blurring(side: int, deviation: float) -> Float[Tensor, "side side"]:
    """The matrix that blurs a line: rows and columns sum to 1.

    The line goes on mirrored, its ends repeated (`c b a | a b c | c b a`), as often as the
    Gaussian, cut off at four standard deviations, reaches.
    """
    reach = math.ceil(4 * deviation)
    steps = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-((steps.double() / deviation) ** 2) / 2)
    place = (torch.arange(side)[:, None] + steps) % (2 * side)
    place = torch.where(place < side, place, 2 * side - 1 - place)
    weights = (kernel / kernel.sum()).expand(side, -1)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, place, weights)


def _mix(Z: Tensor, share: float, generator: torch.Generator, scale: Scale) -> Tensor:
    trials, n = Z.shape[:2]
    if n < 2:
        raise MnemoscopeError(
            "a mixture of one example with another",
            expected="at least two examples",
            todo="choose another corruption",
        )
    shift = 1 + torch.randint(n - 1, (trials, n), generator=generator, device=Z.device)
    other = (torch.arange(n, device=Z.device) + shift) % n
    trial = torch.arange(trials, device=Z.device)[:, None]
    return (1 - share) * Z + share * Z[trial, other]


def _pixels(Z: Tensor) -> torch.Size:
    """One draw a pixel, the same for all its channels; one an entry of a vector."""
    if Z.ndim == 5:
        return torch.Size([*Z.shape[:2], 1, *Z.shape[3:]])
    return Z.shape


def _uniform(Z: Tensor, size: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.rand(size, generator=generator, device=Z.device, dtype=Z.dtype)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian": Corruption(
        "Gaussian noise on every entry",
        "a standard deviation, as a share of the unit",
        (0.05, 0.1, 0.2, 0.4, 0.8),
        float("inf"),
        False,
        _gaussian,
    ),
    "salt_and_pepper": Corruption(
        "random pixels set to the least or the largest entry",
        "a share of the pixels",
        (0.05, 0.1, 0.25, 0.5),
        1.0,
        False,
        _salt_and_pepper,
    ),
    "mask_pixels": Corruption(
        "random pixels set to the least entry",
        "a share of the pixels",
        (0.1, 0.25, 0.5, 0.75),
        1.0,
        False,
        _mask_pixels,
    ),
    "mask_block": Corruption(
        "a rectangle at a random place set to the least entry",
        "a share of the picture",
        (0.1, 0.25, 0.5),
        1.0,
        True,
        _mask_block,
    ),
    "mask_lower_half": Corruption(
        "the lowest rows set to the least entry",
        "a share of the rows",
        (0.5,),
        1.0,
        True,
        _mask_lower_half,
    ),
    "blur": Corruption(
        "a Gaussian blur", "a standard deviation in pixels", (0.5, 1.0, 2.0), 64.0, True, _blur
    ),
    "mix": Corruption(
        "mixed with another example",
        "the other's share",
        (0.1, 0.25, 0.4),
        1.0,
        False,
        _mix,
    ),
}
"""Every corruption, by name."""
