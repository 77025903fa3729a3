"""How finely a map's values are resolved: to rounding, more coarsely than its dtype, or in steps.

Found from values along lines. A line on which values change is halved again and again towards
where they change most: the change across a smooth stretch falls with its length, that across a
step stays. Where most lines lead to a step, differences over a ladder of lengths show how large the
steps are and over which length a difference quotient is best. With second differences `s(h)`, the
root mean square of `f(z + h u) - 2 f(z) + f(z - h u)`, steps alone give a constant `s = spacing /
sqrt(2)` (each value is off by `spacing / sqrt(12)`), curvature alone `s ~ h^2`; the quotient's
error is about `s(h) / h`, least in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Kind = Literal["smooth", "coarse", "quantized"]

DIRECTIONS = 4
"""Random directions from each state."""

ENTRIES = 2**20
"""Entries of all lines together, beyond which fewer are looked along."""

WIDEST = 1 / 4
"""The longest difference, in units: beyond, a map is another one."""

NEARBY = 1 / 16
"""The length, in units, of the lines that are searched for steps first; where most of them see no
change, longer ones follow."""

ROUNDINGS = 64
"""A step is larger than this many roundings, `eps` times the largest value."""

MODULI = 16
"""Lines are halved until they are this many roundings of the state long."""

SETTLED = 2
"""Halvings over which the change across a smooth stretch would fall fourfold."""

VISIBLE = 2
"""Steps by which a difference that shows growth changes the values, at least."""

FINE = 1 / 512
"""Steps below this share of the unit are not visible in data of 8 bits."""

LADDER = 4.0
"""Ratio of the lengths tried."""


@dataclass(frozen=True)
class Resolution:
    """The steps in which a map's values come, in addition to the rounding of its dtype.

    Attributes:
        kind: `smooth`: values are resolved to the rounding of the map's dtype, and the other fields
            are 0; so is a map that is constant where it is measured. `coarse`: they come in steps
            that are larger than that but fine compared with the unit (float16 inside, three
            decimals). `quantized`: in steps that are visible in the data (bytes, a codebook), or
            that hide the derivative.
        spacing: Distance (RMS over a state's entries) between a value and its neighbours.
        entry: Difference between neighbouring values of one entry.
        length: RMS length over which a difference quotient is most accurate.
    """

    kind: Kind
    spacing: float
    entry: float
    length: float

    @property
    def smooth(self) -> bool:
        """Whether values are resolved to the rounding of the map's dtype."""
        return self.kind == "smooth"

    @property
    def quotient_error(self) -> float:
        """RMS error of a central difference quotient over `length`, in a direction of RMS 1.

        Each value is off by `spacing / sqrt(12)`, and two that are `2 length` apart are taken.
        """
        return self.spacing / (24**0.5 * self.length) if self.length else 0.0


SMOOTH = Resolution("smooth", 0.0, 0.0, 0.0)
"""The resolution of a map whose values are limited by the rounding of its dtype alone."""

Values = Callable[[Float[Tensor, "n *shape"]], Float[Tensor, "n *shape"]]


class Inwards(NamedTuple):
    """Keeps differences in the domain of a map that does not take all states.

    Attributes:
        moved: Moves states so that differences, which go so far in each entry, stay in it.
        width: Distance between its bounds.
        guessed: Whether it is only known from states: then only entries in which these differ are
            varied, each by as much.
    """

    moved: Callable[[Float[Tensor, "n *shape"], Float[Tensor, "n *shape"]], Tensor]
    width: float
    guessed: bool


NARROW = 1 / 4
"""The longest difference, as a share of the distance between the bounds of a domain: so both of its
ends, and lines from there, have room."""


def measure_resolution(
    f: Values,
    states: Float[Tensor, "n *shape"],
    *,
    unit: float,
    inwards: Inwards | None = None,
    seed: int = 0,
) -> Resolution:
    """Measures the steps in which the values of a map come, around some states.

    Takes about `2 log2(1 / eps)` values for each state and direction.
    """
    base, directions = _lines(states, seed)
    if inwards is not None:
        directions = torch.where(directions < 0, -1.0, 1.0).to(base)
        if inwards.guessed:
            directions = _varied(directions, states)
    at_base = f(base)
    finite = torch.isfinite(at_base).flatten(1).all(1)
    base, directions, at_base = base[finite], directions[finite], at_base[finite]
    if len(base) == 0:
        return SMOOTH

    def placed(length: float) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the places of differences of this length, their directions, and values."""
        if inwards is None:
            return base, directions, at_base
        at = inwards.moved(base, length * directions.abs())
        return at, directions, f(at)

    longest = WIDEST * unit if inwards is None else min(WIDEST * unit, NARROW * inwards.width)
    steps = next(
        (
            step
            for length in (min(NEARBY * unit, longest), longest)
            if (step := _steps(f, *placed(length), length)) is not None
        ),
        None,
    )
    if steps is None:
        return SMOOTH
    spacing, length = _ladder(f, placed, steps, longest)
    kind: Kind = "quantized" if steps >= FINE * unit else "coarse"
    return Resolution(kind, spacing, steps, length)


def _lines(states: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Points and directions of RMS 1, `DIRECTIONS` for each state or as many as are affordable."""
    each = DIRECTIONS
    while each > 1 and each * states.numel() > ENTRIES:
        each //= 2
    points = states.repeat(each, *[1] * (states.ndim - 1))
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(points.shape, generator=generator, dtype=torch.float32).to(points)
    return points, drawn / expanded(rms(drawn), drawn)


def _varied(directions: Tensor, states: Tensor) -> Tensor:
    """Directions in the entries in which the states differ, or are not 0, of RMS 1 again."""
    size = states.std(0, keepdim=True, correction=0)
    size = size if bool(size.any()) else states.abs().mean(0, keepdim=True)
    some = directions * size if bool(size.any()) else directions
    return some / expanded(rms(some), some)


def _steps(
    f: Values, base: Tensor, directions: Tensor, at_base: Tensor, length: float
) -> float | None:
    """Returns the typical step of an entry, or None where values change smoothly, or not at all."""
    eps = torch.finfo(base.dtype).eps
    floor = ROUNDINGS * eps * at_base.flatten(1).abs().amax(1)
    # Measured from where the line begins, so that its ends do not round to one state.
    size = max(length, float(base.abs().max()))
    halvings = max(SETTLED + 1, int(torch.tensor(length / (MODULI * eps * size)).log2()))
    low, high = torch.zeros_like(floor), torch.full_like(floor, length)
    at_low, at_high = at_base, f(base + length * directions)
    changes = _largest(at_high - at_low)
    lines = int(torch.isfinite(changes).sum())
    rows = torch.isfinite(changes) & (changes > floor)
    if 2 * int(rows.sum()) < max(1, lines):
        return None
    base, directions, floor = base[rows], directions[rows], floor[rows]
    low, high, at_low, at_high = low[rows], high[rows], at_low[rows], at_high[rows]
    before = changes[rows]
    for halving in range(halvings):
        middle = (low + high) / 2
        at_middle = f(base + expanded(middle, base) * directions)
        right = rms(at_high - at_middle) >= rms(at_middle - at_low)
        low, high = torch.where(right, middle, low), torch.where(right, high, middle)
        at_low = torch.where(expanded(right, base), at_middle, at_low)
        at_high = torch.where(expanded(right, base), at_high, at_middle)
        if halving == halvings - 1 - SETTLED:
            before = _largest(at_high - at_low)
    after = _largest(at_high - at_low)
    stepped = (after > floor) & (after > before / 2)
    # Of all lines: where most see no change, single jumps are borders between basins, not a grid.
    if 2 * int(stepped.sum()) < lines:
        return None
    return float(after[stepped].median())


def _ladder(
    f: Values,
    placed: Callable[[float], tuple[Tensor, Tensor, Tensor]],
    step: float,
    longest: float,
) -> tuple[float, float]:
    """Returns the spacing (RMS) and the length of the best difference quotient."""
    best, length, spacing = float("inf"), longest, 0.0
    h, least = longest, torch.finfo(placed(longest)[0].dtype).eps * longest
    while True:
        base, directions, at_base = placed(h)
        plus, minus = f(base + h * directions), f(base - h * directions)
        if h >= least and not bool(torch.isfinite(rms(plus)).any()):
            h, longest = h / LADDER, h / LADDER  # Beyond the edge all the way.
            continue
        first, second = _over(plus - minus) / 2, _over(plus - 2 * at_base + minus)
        visible = first >= VISIBLE * step
        if not visible and h < longest:
            return spacing, length
        spacing = 2**0.5 * second
        if second / h < best:
            best, length = second / h, h
        if not visible or h < least:
            return spacing, length
        h /= LADDER


def rms(Z: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """Computes the root mean square of each state."""
    return Z.flatten(1).square().mean(1).sqrt()


def expanded(values: Tensor, like: Tensor) -> Tensor:
    """Reshapes one value a state so that it multiplies states."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _largest(Z: Tensor) -> Tensor:
    return Z.flatten(1).abs().amax(1)


def _over(Z: Tensor) -> float:
    """Returns the root mean square over all rows that are finite."""
    rows = rms(Z)
    rows = rows[torch.isfinite(rows)]
    return float(rows.double().square().mean().sqrt()) if len(rows) else 0.0
