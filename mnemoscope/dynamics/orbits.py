"""`iterate`: many orbits at once; each leaves the working batch when its fate is known."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypedDict

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps import SelfMap, batch_size_within
from mnemoscope.maps.self_map import Stage, as_self_map

TOL = 1e-6
"""Root mean square step below which an orbit has converged, unless told otherwise."""

MAX_STEPS = 10_000
"""Applications of `f` after which an orbit counts as unsettled, unless told otherwise."""

BATCH = 512
"""Orbits worked on at once, memory permitting: more fills the caches and is not faster."""

RETURN = 1e-4
"""A cycle has closed when the return misses by no more than this share of a step."""

DIVERGED = 1e6
"""An orbit has diverged when its root mean square is this many times its start's (or 1)."""


class OrbitOptions(TypedDict, total=False):
    """How orbits are followed; what each means and its default are told at `iterate`.

    Attributes:
        tol: Root mean square step below which an orbit has converged.
        max_steps: Applications of `f` after which an orbit counts as unsettled.
        batch_size: Orbits worked on at once.
    """

    tol: float
    max_steps: int
    batch_size: int | None


class Status(IntEnum):
    """What became of an orbit."""

    CONVERGED = 0
    CYCLE = 1
    DIVERGED = 2
    UNSETTLED = 3


@dataclass(frozen=True)
class Orbits:
    """Where orbits ended.

    Attributes:
        end: `(n, *shape)`, the last state: within `tol` of its image if converged, on the cycle if
            one was closed, the last finite state if diverged.
        steps: `(n,)`, applications of `f` from the start to `end`.
        residual: `(n,)`, root mean square of `f(end) - end`; of `f^p(end) - end` for a cycle.
        period: `(n,)`, 1 if converged, `p` for a cycle, 0 otherwise.
        status: `(n,)`, codes of `Status`.
    """

    end: Float[Tensor, "n *shape"]
    steps: Int[Tensor, " n"]
    residual: Float[Tensor, " n"]
    period: Int[Tensor, " n"]
    status: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def names(self) -> list[str]:
        """The status of each orbit as a word: converged, cycle, diverged, unsettled."""
        return [Status(code).name.lower() for code in self.status.tolist()]

    def count(self, status: Status) -> int:
        """How many orbits have this status."""
        return int((self.status == status).sum())


def iterate(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    tol: float = TOL,
    max_steps: int = MAX_STEPS,
    batch_size: int | None = None,
) -> Orbits:
    """Iterates `f` from each start until the orbit converges, closes a cycle or diverges.

    - *converged*: a step moves it by at most `tol` (RMS), or by no more than rounding,
      `4 eps RMS(z)`;
    - *cycle*: it returns to within as much of an earlier state, `p > 1` steps back, while a step
      still moves it `1e4` times further than the return misses (R. P. Brent 1980: the earlier state
      is moved up at powers of two, so the first return gives the smallest period). An orbit that
      spirals in at rate `r` misses by about `1 - r^p` of a step, so it is not mistaken for one;
    - *diverged*: NaN, infinity, or RMS beyond `1e6 max(1, RMS(start))`;
    - *unsettled*: none of these after `max_steps`.

    An orbit whose fate is known leaves the working batch and another start takes its place, so one
    that is slow holds nobody up. Memory: `Z`, the ends, and a few times `batch_size` states.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the starts.
        tol: Root mean square step below which an orbit has converged.
        max_steps: Applications of `f` after which an orbit counts as unsettled.
        batch_size: Orbits worked on at once (default 512, or what fits into a quarter of the
            memory that is free).

    Raises:
        MnemoscopeError: `Z` is not a batch of states, or `tol` or `max_steps` is out of range.
    """
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    if not tol > 0 or max_steps < 1:
        raise MnemoscopeError(
            f"tol={tol}, max_steps={max_steps}",
            expected="tol > 0 and max_steps of at least 1",
            todo="leave them out for the defaults",
        )
    n = len(Z)
    size = batch_size or orbit_batch_size(f)
    rounding = 4 * torch.finfo(f.dtype).eps
    found = Orbits(
        end=torch.empty_like(Z),
        steps=torch.zeros(n, dtype=torch.int64, device=f.device),
        residual=Z.new_zeros(n),
        period=torch.zeros(n, dtype=torch.int64, device=f.device),
        status=torch.full((n,), Status.UNSETTLED, dtype=torch.int64, device=f.device),
    )
    taken = min(n, size)
    index = torch.arange(taken, device=f.device)
    z = Z[index]
    anchor, bound = z, DIVERGED * rms(z).clamp_min(1)
    age = torch.zeros_like(index)
    anchored = torch.zeros_like(index)
    with f.evaluating():
        while len(index):
            image = f(z)
            step = rms(image - z)
            level = rms(image)
            limit = (rounding * level).clamp_min(tol)
            lost = ~torch.isfinite(step) | (level > bound)
            still = step <= limit
            gap = rms(image - anchor)
            returned = (gap <= RETURN * step) | (gap <= rounding * level / 4)
            closed = (gap <= limit) & returned & ~still & (age > anchored)
            late = age + 1 >= max_steps
            leaving = lost | still | closed | late
            if bool(leaving.any()):
                out = index[leaving]
                cycle = (closed & ~lost)[leaving]
                found.end[out] = torch.where(expand(cycle, z), image[leaving], z[leaving])
                found.steps[out] = age[leaving] + cycle
                found.residual[out] = torch.where(cycle, gap[leaving], step[leaving])
                found.period[out] = torch.where(
                    cycle,
                    (age + 1 - anchored)[leaving],
                    (still & ~lost)[leaving].to(torch.int64),
                )
                found.status[out] = _fate(lost[leaving], still[leaving], cycle)
                stay = ~leaving
                fresh = torch.arange(
                    taken, min(n, taken + int(leaving.sum())), device=f.device
                )
                taken += len(fresh)
                new, zero = Z[fresh], torch.zeros_like(fresh)
                index = torch.cat([index[stay], fresh])
                z = torch.cat([image[stay], new])
                age = torch.cat([age[stay] + 1, zero])
                anchor = torch.cat([anchor[stay], new])
                anchored = torch.cat([anchored[stay], zero])
                bound = torch.cat([bound[stay], DIVERGED * rms(new).clamp_min(1)])
            else:
                z, age = image, age + 1
            moved = (age > 0) & ((age & (age - 1)) == 0)
            if bool(moved.any()):
                anchor = torch.where(expand(moved, z), z, anchor)
                anchored = torch.where(moved, age, anchored)
    return found


def orbit_batch_size(f: SelfMap) -> int:
    """Orbits of `f` to work on at once: `BATCH`, or what fits into memory."""
    # Beside its state an orbit holds its image, anchor and temporaries, the map its activations.
    bytes_per_state = 16 * f.size * torch.finfo(f.dtype).bits // 8
    return batch_size_within(bytes_per_state, device=f.device, largest=BATCH)


def rms(Z: Float[Tensor, "n *shape"]) -> Float[Tensor, " n"]:
    """The root mean square of each state."""
    return torch.linalg.vector_norm(Z.flatten(1), dim=1) / Z.shape[1:].numel() ** 0.5


def expand(mask: Bool[Tensor, " n"], Z: Float[Tensor, "n *shape"]) -> Bool[Tensor, "n *ones"]:
    """The mask with as many axes as `Z`, to choose between states."""
    return mask.reshape(-1, *[1] * (Z.ndim - 1))


def _fate(lost: Tensor, still: Tensor, cycle: Tensor) -> Tensor:
    fate = torch.full_like(lost, Status.UNSETTLED, dtype=torch.int64)
    fate[cycle] = Status.CYCLE
    fate[still] = Status.CONVERGED
    fate[lost] = Status.DIVERGED
    return fate
