"""`iterate`: many orbits at once; each leaves the working batch when its fate is known.

A step of `s` says little of how far the limit still is: with steps that shrink by `q` each it is
`s (1 + q + q^2 + ...) = s / (1 - q)`. So that is what has to be small.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import NamedTuple, TypedDict

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.check import real_number, whole_number
from mnemoscope.base.tables import frame_of, table_html
from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.arrival import SLOW_FROM, arrivals, coherent, returns
from mnemoscope.dynamics.capture import captured
from mnemoscope.dynamics.slow import WINDOW, Followed, follow_in_double
from mnemoscope.dynamics.states import expand, group_within, nearest, rms
from mnemoscope.dynamics.working_batch import WorkingBatch
from mnemoscope.maps import ImageSpace, SelfMap, check_values, image_space
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_starts

TOL = 1e-6
"""Distance from its limit (RMS, in units) at which an orbit has converged, by default."""

MAX_STEPS = 10_000
"""Applications of `f` after which an orbit counts as unsettled, by default."""

NEAR = 10
"""A step of a state within `tol` of a fixed point is no longer than this many times `tol`."""

FAR_LANDMARK = 100
"""Orbits within this many times `tol` of their limits give landmarks."""

LONG = 1024
"""Steps after which an unsettled orbit may be a slow spiral, and is followed by leaps."""

SPARE = 4
"""A slow orbit may take at least `max_steps / SPARE` applications more."""

LOOK = 8
"""Steps between two checks of what changes slowly: the level of a state, landmarks nearby. On an
accelerator finished orbits are frozen until the next check, which avoids a device sync every
step."""

PILOT = 64
"""Orbits worked on at first where landmarks may be learned, until `SETTLED_IN` are done or `LONG`
steps have passed."""

SETTLED_IN = 512
"""Orbits after which most landmarks are known: from then on the batch has its full size."""

MAX_LANDMARKS = 4096
"""No more landmarks are learned than this."""

BATCH = 512
"""Orbits worked on at once, memory permitting: more fills the caches and is not faster."""

BATCH_OF_SMALL = 1024
"""The same for states of up to `SMALL` entries: it takes more of these to keep a core busy."""

SMALL = 512
"""Entries of a small state."""

CHUNK = 4096
"""States that are brought into other coordinates at once."""

DIVERGED = 1e6
"""An orbit has diverged when its root mean square is this many times its start's, or the unit."""

RETURN = 1e-4
"""A cycle has closed when the return misses by no more than this share of a step."""


class OrbitOptions(TypedDict, total=False):
    """Options of following orbits; `iterate` explains each and has the defaults.

    Attributes:
        tol: Distance from its limit (RMS, in units) at which an orbit has converged.
        max_steps: Applications of `f` after which an orbit counts as unsettled.
        batch_size: Orbits worked on at once.
    """

    tol: float
    max_steps: int
    batch_size: int | None


class Status(IntEnum):
    """The outcome of an orbit."""

    CONVERGED = 0
    CYCLE = 1
    DIVERGED = 2
    UNSETTLED = 3
    LEFT_DOMAIN = 4


@dataclass(frozen=True)
class Orbits:
    """The ends of orbits.

    Attributes:
        end: `(n, *shape)`, the last state: within `tol` of the limit if converged, on the cycle if
            one was closed, the last finite state if diverged, the last one in the map's domain if
            it left that; a start that lies outside of it is its own end.
        steps: `(n,)`, applications of `f` from the start to `end`. For a slow orbit, those made to
            follow it by leaps, fewer than its steps; none where it was followed together with
            another one.
        residual: `(n,)`, root mean square of `f(end) - end`, in units; of `f^p(end) - end` for a
            cycle; NaN of a start outside the domain.
        period: `(n,)`, 1 if converged, `p` for a cycle, 0 otherwise.
        status: `(n,)`, codes of `Status`.
        distance: `(n,)`, from `end` to the limit (RMS, in units), extrapolated from the latest
            steps: at most `tol` if converged. Infinite where steps do not shrink, NaN where that is
            unknown: the orbit moved by no more than rounding from its start on.
    """

    end: Float[Tensor, "n *shape"]
    steps: Int[Tensor, " n"]
    residual: Float[Tensor, " n"]
    period: Int[Tensor, " n"]
    status: Int[Tensor, " n"]
    distance: Float[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.steps)

    def to_frame(self) -> pl.DataFrame:
        """Returns a row for each orbit."""
        names = ("steps", "residual", "period", "distance")
        return frame_of({"status": self.names, **{name: getattr(self, name) for name in names}})

    def _repr_html_(self) -> str:
        counts = (f"{self.count(status):,} {status.name.lower()}" for status in Status)
        return table_html(f"{len(self):,} orbits: {', '.join(counts)}", self.to_frame())

    @property
    def names(self) -> list[str]:
        """The status of each as a word: converged, cycle, diverged, left_domain, unsettled."""
        return [Status(code).name.lower() for code in self.status.tolist()]

    def count(self, status: Status) -> int:
        """Counts the orbits with this status."""
        return int((self.status == status).sum())

    def of(self, rows: Tensor) -> "Orbits":
        """Selects orbits by a mask or indices."""
        return Orbits(*(getattr(self, field.name)[rows] for field in fields(self)))

    def updated(self, rows: Tensor, by: "Orbits") -> "Orbits":
        """Replaces some of the orbits by others."""
        old = {field.name: getattr(self, field.name) for field in fields(self)}
        index = (rows,)
        return Orbits(**{name: x.index_put(index, getattr(by, name)) for name, x in old.items()})


def iterate(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    tol: float = TOL,
    max_steps: int = MAX_STEPS,
    batch_size: int | None = None,
    landmarks: Float[Tensor, "m *shape"] | None = None,
) -> Orbits:
    """Iterates `f` from each start until it converges, closes a cycle, diverges or leaves.

    - *converged*: the limit is no further than `tol` units (RMS) from the last state, by the steps
      and their ratio (`mnemoscope.dynamics.arrival`); a small step alone is no sign of it;
    - *cycle*: it returns to an earlier state, `p > 1` steps back, while a step still moves it `1e4`
      times further than the return misses (R. P. Brent 1980: the earlier state is moved up at
      powers of two, from 32 on, so the first return gives the smallest period), and does so again,
      within `tol` units of the cycle by the same bound;
    - *diverged*: NaN, infinity, or RMS beyond `1e6 max(unit, RMS(start))`;
    - *left_domain*: its next state, or its start, is out of the map's bounds, or the map raises;
    - *unsettled*: none of these after `max_steps`, or steps have fallen to rounding before the
      limit was near; `distance` is how far it still is, where that is known.

    An orbit that would take hundreds of steps more, or whose steps have fallen to rounding, is
    followed by leaps (`mnemoscope.dynamics.slow`), in double precision if the map has it. A
    finished orbit leaves the working batch and another start takes its place. Memory: `Z`, the
    ends, and a few times `batch_size` states.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the starts.
        tol: Distance from its limit (RMS, in units of the map or of the starts) at which an orbit
            has converged.
        max_steps: Applications of `f` after which an orbit counts as unsettled; a quarter more if
            it is slow then.
        batch_size: Orbits worked on at once (default: as many as are fast, and fit into a quarter
            of the memory that is free).
        landmarks: `(m, *shape)`, known fixed points, maybe none; those that orbits come to are
            added. An orbit that closes in on one along a line on which `f` contracts linearly
            (`mnemoscope.dynamics.capture`) counts as converged to it. Default: every orbit goes all
            the way.

    Raises:
        MnemoscopeError: `Z` is not a batch of states, or `tol` or `max_steps` is out of range.
    """
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    f = in_unit_of_starts(f, Z)
    real_number("tol", tol, above=0)
    whole_number("max_steps", max_steps, least=1)
    check_values(f, Z)
    limits = _Limits(tol * f.unit, max_steps, batch_size, f.resolution.spacing, f.resolution.smooth)
    bound = DIVERGED * rms(Z).clamp_min(f.unit)
    with f.evaluating():
        orbits, misled = _followed(f, Z, bound, limits, landmarks)
        if len(misled):
            # They were taken to end where there is no limit, and have to go all the way.
            own, _ = _followed(f, Z[misled], bound[misled], limits, None)
            orbits = orbits.updated(misled, own)
    return replace(orbits, residual=orbits.residual / f.unit, distance=orbits.distance / f.unit)


@dataclass(frozen=True)
class _Limits:
    """Limits of following orbits: `tol` and the `spacing` of values are in the scale of states.

    Slow orbits are followed by `leaps` unless values come in steps, which hide how steps change.
    """

    tol: float
    max_steps: int
    batch_size: int | None
    spacing: float
    leaps: bool

    def floor(self, level: Tensor) -> Tensor:
        """Returns the length of steps that may be rounding, or a step in the values."""
        rounding = 4 * torch.finfo(level.dtype).eps * level
        return rounding.clamp_min(self.spacing if self.spacing <= self.tol else 0)


class _Found(NamedTuple):
    """Orbits, as far as they were followed step by step.

    Attributes:
        orbits: Where they are.
        slow: `(n,)`, the period with which a slow orbit seems to return; 0 for all others.
        captor: `(n,)`, the landmark that is the end of a slow orbit which was seen to settle down
            to it, though it is not quite at its limit itself; -1 for all others.
    """

    orbits: Orbits
    slow: Int[Tensor, " n"]
    captor: Int[Tensor, " n"]


def _followed(
    f: SelfMap, Z: Tensor, bound: Tensor, limits: _Limits, landmarks: Tensor | None
) -> tuple[Orbits, Int[Tensor, " m"]]:
    """Returns the orbits, and those still unknown because others did not end where they met."""
    space = image_space(f) if limits.max_steps > 1 else None
    if space is None:
        found = _follow(f, Z, bound, limits, landmarks)
    else:
        found = _in_image_space(space, Z, bound, limits, landmarks)
    return found.orbits, _leapt(f, found, bound, limits)


def _in_image_space(
    space: ImageSpace, Z: Tensor, bound: Tensor, limits: _Limits, landmarks: Tensor | None
) -> _Found:
    """Returns one step into the space that `f` maps into, all others in its coordinates."""
    scale = space.scale
    Y = torch.cat([space.image(part) for part in Z.split(CHUNK)] or [Z.flatten(1)])
    inside = replace(limits, tol=limits.tol * scale, max_steps=limits.max_steps - 1)
    if landmarks is not None:
        landmarks = space.coordinates(landmarks)
    found, slow, captor = _follow(space.map, Y, bound * scale, inside, landmarks)
    end = torch.empty_like(Z)
    for rows in torch.arange(len(Z), device=Z.device).split(CHUNK):
        end[rows] = space.states(found.end[rows])
    steps, residual, distance = found.steps + 1, found.residual / scale, found.distance / scale
    # Of these the start is the last finite state.
    nowhere = ~torch.isfinite(Y).all(1)
    end[nowhere], steps[nowhere] = Z[nowhere], 0
    return _Found(Orbits(end, steps, residual, found.period, found.status, distance), slow, captor)


def _leapt(f: SelfMap, found: _Found, bound: Tensor, limits: _Limits) -> Int[Tensor, " m"]:
    """Follows the slow orbits by leaps, in double precision if the map can be had in it.

    Orbits that have come together, or were seen to settle down to a landmark, are followed as one.
    If that one leads far away, the others may not: those that came together are followed apart, and
    the indices of those that settled down to a landmark are returned.
    """
    orbits, periods = found.orbits, found.slow
    allowance = limits.max_steps - orbits.steps
    allowance = allowance.clamp_min(limits.max_steps // SPARE) // periods.clamp_min(1)
    periods = torch.where(allowance >= 2 * WINDOW, periods, 0)
    misled = torch.zeros_like(periods, dtype=torch.bool)
    for period in periods[periods > 0].unique().tolist():
        rows = (periods == period).nonzero()[:, 0]
        first, own = _together(found, rows, limits.tol)
        while len(rows):
            start = rows[first]
            begun = orbits.end[start]
            went = follow_in_double(
                f, begun, bound[start], period=period, tol=limits.tol, allowance=allowance[start]
            )
            far = (rms(went.end.to(f.dtype) - begun) > FAR_LANDMARK * limits.tol)[own]
            captive = found.captor[rows] >= 0
            misled[rows] = far & captive
            orbits.steps[start] += period * went.steps
            left = far & ~captive & (start[own] != rows)
            _enter_followed(f, orbits, rows[~left], went, own[~left], period=period, tol=limits.tol)
            rows = rows[left]
            first = own = torch.arange(len(rows), device=f.device)
    return misled.nonzero()[:, 0]


def _together(
    found: _Found, rows: Int[Tensor, " n"], tol: float
) -> tuple[Int[Tensor, " g"], Int[Tensor, " n"]]:
    """Returns one of each group of orbits that came together near a limit, and each's group."""
    captor = found.captor[rows]
    leader = torch.arange(len(rows), device=rows.device)
    captive = (captor >= 0).nonzero()[:, 0]
    if len(captive):
        captors, group = captor[captive].unique(return_inverse=True)
        one = torch.full_like(captors, len(rows)).scatter_reduce_(0, group, captive, "amin")
        leader[captive] = one[group]
    near = (captor < 0) & (found.orbits.distance[rows] <= FAR_LANDMARK * tol)
    near = near.nonzero()[:, 0]
    if len(near):
        group, leaders = group_within(found.orbits.end[rows[near]], FAR_LANDMARK * tol)
        leader[near] = near[leaders[group]]
    return leader.unique(return_inverse=True)


def _enter_followed(
    f: SelfMap,
    orbits: Orbits,
    rows: Tensor,
    went: Followed,
    own: Tensor,
    *,
    period: int,
    tol: float,
) -> None:
    """Enters where orbits went that seemed to return after `period` steps, each with its `own`."""
    end = went.end.to(f.dtype)
    step = rms(f(end) - end)
    gap = rms((f**period)(end) - end) if period > 1 else step
    # A spiral into a fixed point may seem to return: there a single step is as small.
    cycle = went.converged & (step > NEAR * tol) & (period > 1)
    residual = torch.where(cycle, gap, step)
    periods = torch.where(cycle, period, went.converged.long())
    status = _codes(went.diverged, went.converged & ~cycle, cycle, went.left)
    orbits.end[rows], orbits.residual[rows] = end[own], residual[own]
    orbits.period[rows], orbits.status[rows] = periods[own], status[own]
    known = (torch.isfinite(went.distance) | went.diverged)[own]
    distance = went.distance.to(f.dtype)[own]
    orbits.distance[rows] = torch.where(known, distance, orbits.distance[rows])


def _stride(Z: Tensor) -> int:
    """Returns the number of steps between two checks for finished orbits."""
    return 1 if Z.device.type == "cpu" else LOOK


def _follow(
    f: SelfMap, Z: Tensor, bound: Tensor, limits: _Limits, landmarks: Tensor | None
) -> _Found:
    """Returns the orbits of all starts, an orbit at a time leaving, another taking its place.

    One that is done between two looks, `stride` steps apart, is frozen: it is found to be done
    again, by the same numbers, when it is looked at.
    """
    found = _none_yet(Z)
    size, stride = limits.batch_size or orbit_batch_size(f), _stride(Z)
    # Few orbits at first: what they find are landmarks for the others.
    given = 0 if landmarks is None else len(landmarks)
    pilot = landmarks is not None and given == 0
    batch = WorkingBatch(Z, bound, min(size, PILOT) if pilot else size)
    turn = 0
    while len(batch):
        turn += 1
        looking, collecting = turn % LOOK == 0, turn % stride == 0
        image, outside = f.images(batch.z)
        # A map that raises has the device waited for in any case, and is not to raise again.
        collecting |= outside is not None and bool(f.findings.refused)
        fate = _judged(batch, image, _left(f, image, outside), limits, turn, waiting=stride > 1)
        target = torch.full_like(batch.index, -1)
        if landmarks is not None and collecting:
            landmarks = _learned(landmarks, batch.z[fate.new], 100 * limits.tol)
        if landmarks is not None and len(landmarks) and looking:
            target = captured(f, batch.z, image, landmarks)
            target[fate.known] = -1
        leaving = fate.known | (target >= 0) | fate.spent
        if not collecting:
            batch.hold(image, leaving)
            continue
        rows = leaving.nonzero()[:, 0]
        if len(rows):
            _enter(found, batch, image, fate, rows)
            if landmarks is not None:
                known = _Landmarks(landmarks, given, target, limits.tol)
                _enter_captured(f, found, batch, image, known)
        batch.advance(image, leaving)
        # What has not settled for so long gives no landmarks soon.
        if batch.done >= SETTLED_IN or turn >= LONG:
            batch.widen(size)
    return found


class _Fate(NamedTuple):
    """The state of each orbit in the working batch after one more step, `(b,)` each.

    Attributes:
        step: Its length.
        gap: Distance from the anchor.
        lost: Whether the orbit has diverged.
        left: Whether it has left the domain.
        outside: Whether it had before this step.
        still: Whether it has converged to a fixed point.
        closed: Or to a cycle.
        slow: Whether it is better followed by leaps.
        spent: Whether it has taken all steps that it may.
        period: Steps since the state to which it has returned; 1 if it has not.
        distance: From the limit.
        new: Whether it has come from afar to a fixed point.
    """

    step: Tensor
    gap: Tensor
    lost: Tensor
    left: Tensor
    outside: Tensor
    still: Tensor
    closed: Tensor
    slow: Tensor
    spent: Tensor
    period: Tensor
    distance: Tensor
    new: Tensor

    @property
    def known(self) -> Tensor:
        """Whether the orbit is done, or goes on elsewhere."""
        return self.lost | self.left | self.still | self.closed | self.slow


class _Left(NamedTuple):
    """The orbits that have left the domain, and those that had before the present step."""

    now: Tensor
    before: Tensor


def _left(f: SelfMap, image: Tensor, outside: Tensor | None) -> _Left | None:
    """Returns the orbits that have left the domain; None where none has."""
    if outside is None and f.domain is None:
        return None
    none = torch.zeros(len(image), dtype=torch.bool, device=image.device)
    before = none if outside is None else outside
    if f.domain is None:
        return _Left(before, before)
    # What is not finite has diverged.
    finite = torch.isfinite(image).flatten(1).all(1)
    return _Left(before | (finite & ~f.domain.holds(image)), before)


def _judged(
    batch: WorkingBatch,
    image: Tensor,
    gone: _Left | None,
    limits: _Limits,
    turn: int,
    *,
    waiting: bool,
) -> _Fate:
    """Judges all orbits; where nothing may be waited for, also those that are far from done."""
    tol, step = limits.tol, rms(image - batch.z)
    batch.record(step)
    if turn % LOOK == 0:
        batch.level = rms(image)
    floor = limits.floor(batch.level)
    limit = floor.clamp_min(tol)
    lost = ~torch.isfinite(step) | (batch.level > batch.bound)
    no = torch.zeros_like(lost)
    left, outside = (no, no) if gone is None else gone
    lost = lost & ~left
    gap = _gap(batch, image)
    near = ~(lost | left) & (step <= limit)
    back = ~(lost | left) & ((gap <= RETURN * step) | (gap <= floor / 4))
    still, closed, slow, new = no, no, no, no
    distance, period = torch.full_like(step, torch.nan), torch.ones_like(batch.age)
    spent = batch.age + 1 >= limits.max_steps
    if waiting or bool((near | spent).any()):
        seen = arrivals(batch, step, tol=tol, floor=floor)
        still, slow = near & seen.arrived, near & seen.slow
        distance = torch.where(near | spent, seen.distance, distance)
        # What rounding keeps a little way off is as good a landmark.
        new = (still | (slow & (step <= floor))) & (batch.age >= LOOK)
        new &= distance <= FAR_LANDMARK * tol
    if waiting or bool(back.any()):
        back = back & ~still
        period = torch.where(back, batch.age + 1 - batch.anchored, period)
        seen = returns(batch, gap, period, tol=tol, floor=floor)
        closed, slow = back & seen.arrived, torch.where(back, seen.slow, slow)
        distance = torch.where(back, seen.distance, distance)
        batch.expect(back & ~(closed | (slow & limits.leaps)), image, gap, period)
    if turn >= SLOW_FROM:
        slow = slow | coherent(batch, step, gap) | (spent & (batch.age >= LONG))
        slow = slow & ~(lost | left | still | closed)
    if not limits.leaps:
        slow = no
    return _Fate(step, gap, lost, left, outside, still, closed, slow, spent, period, distance, new)


class _Landmarks(NamedTuple):
    """Landmarks, how many were given, which one each orbit is settling down to, the tolerance."""

    states: Tensor
    given: int
    target: Tensor
    tol: float


def _none_yet(Z: Tensor) -> _Found:
    whole = torch.zeros(len(Z), dtype=torch.int64, device=Z.device)
    orbits = Orbits(
        end=torch.empty_like(Z),
        steps=whole.clone(),
        residual=Z.new_zeros(len(Z)),
        period=whole.clone(),
        status=torch.full_like(whole, Status.UNSETTLED),
        distance=Z.new_full((len(Z),), torch.nan),
    )
    return _Found(orbits, whole, whole - 1)


def _enter(found: _Found, batch: WorkingBatch, image: Tensor, fate: _Fate, rows: Tensor) -> None:
    """Enters the orbits that leave."""
    orbits, out = found.orbits, batch.index[rows]
    cycle, still, left = fate.closed[rows], fate.still[rows], fate.left[rows]
    end = torch.where(expand(cycle, image), image[rows], batch.z[rows])
    step = torch.where(cycle, fate.gap[rows], fate.step[rows])
    steps = batch.age[rows] + cycle
    back = fate.outside[rows] & left & (batch.age[rows] > 0)
    if bool(left.any()):
        # That the map raises for a state is only seen when it is to be left.
        before = batch.before[rows]
        step = torch.where(back, rms(batch.z[rows] - before), step)
        end, steps = torch.where(expand(back, before), before, end), steps - back.long()
    orbits.end[out], orbits.residual[out], orbits.steps[out] = end, step, steps
    orbits.period[out] = torch.where(cycle, fate.period[rows], still.long())
    orbits.status[out] = _codes(fate.lost[rows], still, cycle, left)
    orbits.distance[out] = fate.distance[rows]
    found.slow[out] = torch.where(fate.slow, fate.period, 0)[rows]


def _enter_captured(
    f: SelfMap, found: _Found, batch: WorkingBatch, image: Tensor, at: _Landmarks
) -> None:
    """Enters the orbits that are settling down to landmarks."""
    rows = (at.target >= 0).nonzero()[:, 0]
    if len(rows) == 0:
        return
    orbits, out = found.orbits, batch.index[rows]
    a = at.states[at.target[rows]]
    reached, which = at.target[rows].unique(return_inverse=True)
    points = at.states[reached]
    residual = rms(f(points) - points)[which]
    distance = residual / (1 - rms(image[rows] - a) / rms(batch.z[rows] - a))
    # Rounding has kept some that were learned off their limits: there is a little way to go.
    there = (at.target[rows] < at.given) | (distance <= at.tol)
    orbits.end[out], orbits.residual[out], orbits.distance[out] = a, residual, distance
    orbits.status[out] = torch.where(there, Status.CONVERGED, Status.UNSETTLED)
    orbits.period[out], found.slow[out] = there.long(), (~there).long()
    found.captor[out] = torch.where(there, -1, at.target[rows])


def _gap(batch: WorkingBatch, image: Tensor) -> Tensor:
    """Computes the distance of each orbit's next state from its anchor; infinite without one."""
    there = (batch.anchored > 0) & (batch.age > batch.anchored)
    gap = torch.full_like(batch.level, torch.inf)
    if there.device.type != "cpu":
        return torch.where(there, rms(image - batch.anchor), gap)
    old = there.nonzero()[:, 0]
    if len(old):
        gap[old] = rms(image[old] - batch.anchor[old])
    return gap


def _learned(landmarks: Tensor, arrived: Tensor, resolution: float) -> Tensor:
    """Returns the landmarks with the fixed points that orbits have just come to from afar."""
    if len(arrived) == 0 or len(landmarks) >= MAX_LANDMARKS:
        return landmarks
    new = arrived[nearest(arrived, landmarks)[1] > resolution]
    if len(new) == 0:
        return landmarks
    _, leaders = group_within(new, resolution)
    return torch.cat([landmarks, new[leaders]])


def orbit_batch_size(f: SelfMap) -> int:
    """Orbits of `f` to work on at once: as many as are fast, or what fits into memory."""
    # An orbit holds its state, image, anchor and temporaries, the map its activations.
    bytes_per_state = 16 * f.size * f.dtype.itemsize + f.footprint.evaluate
    return f.batch_size(bytes_per_state, largest=BATCH_OF_SMALL if f.size <= SMALL else BATCH)


def _codes(lost: Tensor, still: Tensor, cycle: Tensor, left: Tensor) -> Tensor:
    codes = torch.full_like(lost, Status.UNSETTLED, dtype=torch.int64)
    codes[cycle] = Status.CYCLE
    codes[still] = Status.CONVERGED
    codes[lost] = Status.DIVERGED
    codes[left] = Status.LEFT_DOMAIN
    return codes
