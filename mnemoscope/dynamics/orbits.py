"""`iterate`: many orbits at once; each leaves the working batch when its fate is known."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypedDict

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.capture import captured
from mnemoscope.dynamics.states import expand, group_within, nearest, rms
from mnemoscope.dynamics.working_batch import WorkingBatch
from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps import ImageSpace, SelfMap, check_values, image_space
from mnemoscope.maps.self_map import Stage, as_self_map

TOL = 1e-6
"""Root mean square step below which an orbit has converged, unless told otherwise."""

MAX_STEPS = 10_000
"""Applications of `f` after which an orbit counts as unsettled, unless told otherwise."""

LOOK = 8
"""Steps between two looks at what changes slowly: the level of a state, landmarks nearby. On an
accelerator also at which orbits are done: until then these stand still, and nobody waits to hear of
it."""

PILOT = 64
"""Orbits worked on at first where landmarks may be learned, until `SETTLED_IN` are done."""

SETTLED_IN = 512
"""Orbits after which most landmarks are known: from then on the batch has its full size."""

MOST_LANDMARKS = 4096
"""No more landmarks are learned than this."""

BATCH = 512
"""Orbits worked on at once, memory permitting: more fills the caches and is not faster."""

BATCH_OF_SMALL = 1024
"""The same for states of up to `SMALL` entries, of which more are needed to keep a core busy."""

SMALL = 512
"""Entries of a small state."""

CHUNK = 4096
"""States that are brought into other coordinates at once."""

DIVERGED = 1e6
"""An orbit has diverged when its root mean square is this many times its start's (or 1)."""

RETURN = 1e-4
"""A cycle has closed when the return misses by no more than this share of a step."""


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
    landmarks: Float[Tensor, "m *shape"] | None = None,
) -> Orbits:
    """Iterates `f` from each start until the orbit converges, closes a cycle or diverges.

    - *converged*: a step moves it by at most `tol` (RMS), or by no more than rounding,
      `4 eps RMS(z)`;
    - *cycle*: it returns to within as much of an earlier state, `p > 1` steps back, while a step
      still moves it `1e4` times further than the return misses (R. P. Brent 1980: the earlier state
      is moved up at powers of two, from 32 on, so the first return gives the smallest period). An
      orbit that spirals in at rate `r` misses by about `1 - r^p` of a step, so it is not mistaken
      for one;
    - *diverged*: NaN, infinity, or RMS beyond `1e6 max(1, RMS(start))`;
    - *unsettled*: none of these after `max_steps`.

    An orbit whose fate is known leaves the working batch and another start takes its place, so one
    that is slow holds nobody up. Memory: `Z`, the ends, and a few times `batch_size` states.
    A fully connected network with few units in its last hidden layer is followed in coordinates of
    the space it maps into (`mnemoscope.maps.image_space`): the same orbits, but for rounding.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the starts.
        tol: Root mean square step below which an orbit has converged.
        max_steps: Applications of `f` after which an orbit counts as unsettled.
        batch_size: Orbits worked on at once (default: as many as are fast, and fit into a quarter
            of the memory that is free).
        landmarks: `(m, *shape)`, fixed points known already, maybe none; those that orbits come to
            are added. An orbit that is seen to close in on one along a line on which `f` contracts
            linearly (`mnemoscope.dynamics.capture`) has converged to it without going all the way.
            Left out, every orbit goes all the way.

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
    check_values(f, Z)
    space = image_space(f) if max_steps > 1 else None
    if space is not None:
        return _in_image_space(
            f, space, Z, tol=tol, max_steps=max_steps, batch_size=batch_size, landmarks=landmarks
        )
    with f.evaluating():
        return _follow(
            f, Z, _bound(Z), tol=tol, max_steps=max_steps, batch_size=batch_size,
            landmarks=landmarks, stride=_stride(Z),
        )  # fmt: skip


def _in_image_space(
    f: SelfMap,
    space: ImageSpace,
    Z: Tensor,
    *,
    tol: float,
    max_steps: int,
    batch_size: int | None,
    landmarks: Tensor | None,
) -> Orbits:
    """One step into the space that `f` maps into, all others in its coordinates."""
    scale = space.scale
    with f.evaluating():
        Y = torch.cat([space.image(part) for part in Z.split(CHUNK)] or [Z.flatten(1)])
    found = _follow(
        space.map,
        Y,
        _bound(Z) * scale,
        tol=tol * scale,
        max_steps=max_steps - 1,
        batch_size=batch_size,
        landmarks=None if landmarks is None else space.coordinates(landmarks),
        stride=_stride(Y),
    )
    end = torch.empty_like(Z)
    for rows in torch.arange(len(Z), device=f.device).split(CHUNK):
        end[rows] = space.states(found.end[rows])
    steps, residual = found.steps + 1, found.residual / scale
    # Of these the start is the last finite state.
    nowhere = ~torch.isfinite(Y).all(1)
    end[nowhere], steps[nowhere] = Z[nowhere], 0
    return Orbits(end, steps, residual, found.period, found.status)


def _stride(Z: Tensor) -> int:
    """Steps between two looks at which orbits are done."""
    return 1 if Z.device.type == "cpu" else LOOK


def _bound(Z: Tensor) -> Tensor:
    """The root mean square beyond which the orbit of each start has diverged."""
    return DIVERGED * rms(Z).clamp_min(1)


def _follow(
    f: SelfMap,
    Z: Tensor,
    bound: Tensor,
    *,
    tol: float,
    max_steps: int,
    batch_size: int | None,
    landmarks: Tensor | None,
    stride: int,
) -> Orbits:
    """The orbits of all starts, an orbit at a time leaving, another taking its place.

    One that is done between two looks, `stride` steps apart, stands still: it is found to be done
    again, by the same numbers, when it is looked at.
    """
    found = Orbits(
        end=torch.empty_like(Z),
        steps=torch.zeros(len(Z), dtype=torch.int64, device=f.device),
        residual=Z.new_zeros(len(Z)),
        period=torch.zeros(len(Z), dtype=torch.int64, device=f.device),
        status=torch.full((len(Z),), Status.UNSETTLED, dtype=torch.int64, device=f.device),
    )
    size = batch_size or orbit_batch_size(f)
    # Few orbits at first: what they find are landmarks for the others.
    pilot = landmarks is not None and len(landmarks) == 0
    batch = WorkingBatch(Z, bound, min(size, PILOT) if pilot else size)
    rounding = 4 * torch.finfo(f.dtype).eps
    turn = 0
    while len(batch):
        turn += 1
        looking, collecting = turn % LOOK == 0, turn % stride == 0
        image = f(batch.z)
        step = rms(image - batch.z)
        if looking:
            batch.level = rms(image)
        limit = (rounding * batch.level).clamp_min(tol)
        lost = ~torch.isfinite(step) | (batch.level > batch.bound)
        still = ~lost & (step <= limit)
        gap = _gap(batch, image)
        exact = (gap <= RETURN * step) | (gap <= rounding * batch.level / 4)
        closed = ~lost & ~still & (gap <= limit) & exact
        target = torch.full_like(batch.index, -1)
        if landmarks is not None and collecting:
            landmarks = _learned(landmarks, batch.z[still & (batch.age >= LOOK)], 100 * tol)
        if landmarks is not None and len(landmarks) and looking:
            target = captured(f, batch.z, image, landmarks)
            target[lost | still | closed] = -1
        leaving = lost | still | closed | (target >= 0) | (batch.age + 1 >= max_steps)
        if not collecting:
            batch.hold(image, leaving)
            continue
        rows = leaving.nonzero()[:, 0]
        if len(rows):
            out = batch.index[rows]
            cycle, rest = closed[rows], (still | (target >= 0))[rows]
            found.end[out] = torch.where(expand(cycle, Z), image[rows], batch.z[rows])
            found.residual[out] = torch.where(cycle, gap[rows], step[rows])
            found.steps[out] = batch.age[rows] + cycle
            found.period[out] = torch.where(
                cycle, (batch.age + 1 - batch.anchored)[rows], rest.long()
            )
            found.status[out] = _fate(lost[rows], rest, cycle)
            near = (target >= 0).nonzero()[:, 0]
            if landmarks is not None and len(near):
                found.end[batch.index[near]] = landmarks[target[near]]
                reached, back = target[near].unique(return_inverse=True)
                found.residual[batch.index[near]] = f.residual(landmarks[reached])[back]
        batch.advance(image, leaving)
        if batch.done >= SETTLED_IN:
            batch.widen(size)
    return found


def _gap(batch: WorkingBatch, image: Tensor) -> Tensor:
    """How far each orbit's next state is from its anchor; infinite where there is none to meet."""
    there = (batch.anchored > 0) & (batch.age > batch.anchored)
    gap = torch.full_like(batch.level, torch.inf)
    if there.device.type != "cpu":
        return torch.where(there, rms(image - batch.anchor), gap)
    old = there.nonzero()[:, 0]
    if len(old):
        gap[old] = rms(image[old] - batch.anchor[old])
    return gap


def _learned(landmarks: Tensor, arrived: Tensor, resolution: float) -> Tensor:
    """The landmarks with the fixed points that orbits have just come to from afar."""
    if len(arrived) == 0 or len(landmarks) >= MOST_LANDMARKS:
        return landmarks
    new = arrived[nearest(arrived, landmarks)[1] > resolution]
    _, leaders = group_within(new, resolution)
    return torch.cat([landmarks, new[leaders]])


def orbit_batch_size(f: SelfMap) -> int:
    """Orbits of `f` to work on at once: as many as are fast, or what fits into memory."""
    # Beside its state an orbit holds its image, anchor and temporaries, the map its activations.
    bytes_per_state = 16 * f.size * f.dtype.itemsize + f.footprint.evaluate
    return f.batch_size(bytes_per_state, largest=BATCH_OF_SMALL if f.size <= SMALL else BATCH)


def _fate(lost: Tensor, still: Tensor, cycle: Tensor) -> Tensor:
    fate = torch.full_like(lost, Status.UNSETTLED, dtype=torch.int64)
    fate[cycle] = Status.CYCLE
    fate[still] = Status.CONVERGED
    fate[lost] = Status.DIVERGED
    return fate
