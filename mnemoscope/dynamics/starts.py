"""Distributions of starts for a census, drawn in blocks as they are needed.

The finds depend on the starts, so there are several, most of them wider than the data.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import one_of, whole_number

BLOCK = 4096
"""Starts made at once; numbers do not depend on how many are worked on at once."""

BLOCK_ENTRIES = 2**26
"""Entries of the starts made at once, 256 MiB of float32: fewer than `BLOCK` of large states."""


def block_size(entries: int) -> int:
    """Returns the number of states with this many entries that are drawn at once."""
    return max(1, min(BLOCK, BLOCK_ENTRIES // entries))


@dataclass(frozen=True)
class Range:
    """The range of the data, which distributions of starts are scaled by.

    Attributes:
        low: Smallest entry.
        high: Largest entry.
    """

    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, X: Float[Tensor, "n *shape"]) -> "Range":
        """Returns the range of these examples."""
        return cls(float(X.min()), float(X.max()))

    @property
    def width(self) -> float:
        """`high - low`, or 1 for constant data."""
        return (self.high - self.low) or 1.0

    @property
    def middle(self) -> float:
        """Half-way between `low` and `high`."""
        return (self.low + self.high) / 2


Draw = Callable[[torch.Size, torch.Generator, Range], Tensor]


def uniform(size: torch.Size, generator: torch.Generator, span: Range) -> Tensor:
    """Returns every entry uniform in the data's range."""
    return span.low + span.width * _rand(size, generator)


def gaussian(size: torch.Size, generator: torch.Generator, span: Range) -> Tensor:
    """Draws entries that are Gaussian around the middle of the range, with it as deviation."""
    return span.middle + span.width * _randn(size, generator)


def wide_gaussian(size: torch.Size, generator: torch.Generator, span: Range) -> Tensor:
    """Draws Gaussian entries around the middle, of a width between 1 and 30 ranges per start."""
    scale = torch.Size([size[0], *[1] * (len(size) - 1)])
    return span.middle + span.width * 30 ** _rand(scale, generator) * _randn(size, generator)


def sparse(size: torch.Size, generator: torch.Generator, span: Range) -> Tensor:
    """Returns one entry in five at the top of the range, the others at its bottom."""
    return span.low + span.width * (_rand(size, generator) < 0.2)


def pink(size: torch.Size, generator: torch.Generator, span: Range) -> Tensor:
    """Draws 1/f noise, as in natural pictures, with a random mean and contrast per start.

    White noise whose Fourier amplitudes over the last two axes (the last one of a vector) are
    divided by the frequency; for each start and channel a mean uniform in the range, and for each
    start a standard deviation between a tenth of the range and ten times it, uniform in its
    logarithm.
    """
    axes = (-2, -1) if len(size) > 2 else (-1,)
    spectrum = torch.fft.rfftn(_randn(size, generator), dim=axes)
    frequency = torch.fft.rfftfreq(size[-1], device=generator.device)
    if len(axes) == 2:
        rows = torch.fft.fftfreq(size[-2], device=generator.device)
        frequency = (rows[:, None] ** 2 + frequency**2).sqrt()
    lowest = 1 / max(size[axis] for axis in axes)
    noise = torch.fft.irfftn(
        spectrum / frequency.clamp_min(lowest), dim=axes, s=[size[a] for a in axes]
    )
    noise = noise - noise.mean(dim=axes, keepdim=True)
    flat = noise.flatten(1)
    # A single entry has no spread, and is its own mean.
    spread = flat.std(dim=1, correction=min(1, flat.shape[1] - 1)).clamp_min(1e-12)
    noise = noise / spread.reshape(-1, *[1] * (len(size) - 1))
    channels = torch.Size([*size[: -len(axes)], *[1] * len(axes)])
    mean = span.low + span.width * _rand(channels, generator)
    one_each = torch.Size([size[0], *[1] * (len(size) - 1)])
    contrast = span.width * 10 ** (2 * _rand(one_each, generator) - 1)
    return mean + contrast * noise


STARTS: dict[str, Draw] = {
    "uniform": uniform,
    "gaussian": gaussian,
    "wide_gaussian": wide_gaussian,
    "sparse": sparse,
    "pink": pink,
}
"""The distributions that need no data but its range, by name."""


@dataclass(frozen=True)
class Starts:
    """Starts that are drawn when they are needed: never more than a block of them in memory.

    Attributes:
        kind: A name in `STARTS`.
        count: Number of starts.
        span: The data's range.
        seed: Random seed; the same seed, kind and device give the same starts.
    """

    kind: str
    count: int
    span: Range = Range()
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("kind", self.kind, STARTS)
        whole_number("count", self.count, least=1)

    def __len__(self) -> int:
        return self.count

    def blocks(
        self, shape: tuple[int, ...], *, dtype: torch.dtype, device: torch.device
    ) -> Iterator[Float[Tensor, "b *shape"]]:
        """Yields the starts, `block_size` at a time, made on the device."""
        generator = torch.Generator(device).manual_seed(self.seed)
        block = block_size(torch.Size(shape).numel())
        for done in range(0, self.count, block):
            size = torch.Size([min(block, self.count - done), *shape])
            yield STARTS[self.kind](size, generator, self.span).to(dtype)


def from_attractors(
    attractors: Float[Tensor, "m *shape"], count: int, *, seed: int = 0
) -> Float[Tensor, "count *shape"]:
    """Makes starts from attractors already found, a third of each kind.

    `a + b - c` of three, `a` with Gaussian noise of half the range, half the entries of each of
    two: they lie between basins, where the basins not found yet are.
    """
    generator = torch.Generator(attractors.device).manual_seed(seed)
    span = Range.of(attractors)

    def pick(number: int) -> Tensor:
        index = torch.randint(
            len(attractors), (number,), generator=generator, device=attractors.device
        )
        return attractors[index]

    third = count // 3
    sums = pick(third) + pick(third) - pick(third)
    near = pick(third)
    near = near + 0.5 * span.width * _randn(near.shape, generator).to(near.dtype)
    one, other = pick(count - 2 * third), pick(count - 2 * third)
    halves = torch.where(_rand(one.shape, generator) < 0.5, one, other)
    return torch.cat([sums, near, halves])


def _rand(size: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.rand(size, generator=generator, device=generator.device)


def _randn(size: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(size, generator=generator, device=generator.device)
