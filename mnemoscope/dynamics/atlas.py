"""The attractors known so far, and the assignment of orbits to them."""

import logging
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.double import in_float64
from mnemoscope.dynamics.fixed_points import refine
from mnemoscope.dynamics.orbits import DIVERGED, Orbits, Status
from mnemoscope.dynamics.slow import follow_in_double
from mnemoscope.dynamics.stability import stability
from mnemoscope.dynamics.states import group_within, nearest, rms
from mnemoscope.maps import SelfMap

MAX_PERIOD = 256
"""Returns after more steps than this are not verified as cycles."""

RESOLUTION = 100
"""Attractors nearer to each other than this many times `tol` (RMS, in units) count as one."""

UNRESOLVED = 0.5
"""Assumed rate where steps hide it and a distance depends on it."""

MAX_FAILED = 16
"""Consecutive ends of a map in steps that do not attract, after which the others are dropped."""

MAX_REACH = 100
"""Largest distance, in resolutions, of an end from its attractor, however slow."""

SLOW = 1e-3
"""In single precision a spectral radius this near to 1 decides nothing: rounding of `1e-7` moves a
fixed point by `1e-4`, and states may seem to stay where they drift."""

ALLOWANCE = 4096
"""Values of `f` for each end that is followed in double precision."""


_log = logging.getLogger("mnemoscope")


@dataclass(frozen=True)
class Atlas:
    """Attractors, every one of them refined and verified.

    Attributes:
        states: `(s, *shape)`, the fixed points and every state of every cycle.
        owner: `(s,)`, which attractor a state belongs to.
        period: `(m,)`.
        spectral_radius: `(m,)`, of the Jacobian of `f^p` there, below 1.
        reach: `(m,)`, largest distance (RMS) from it of an end, or refined state, that is its own.
    """

    states: Float[Tensor, "s *shape"]
    owner: Int[Tensor, " s"]
    period: Int[Tensor, " m"]
    spectral_radius: Float[Tensor, " m"]
    reach: Float[Tensor, " m"]

    @classmethod
    def empty(cls, f: SelfMap) -> "Atlas":
        """Returns an atlas of no attractors yet."""
        states = torch.empty(0, *f.shape, dtype=f.dtype, device=f.device)
        none = torch.empty(0, dtype=torch.int64, device=f.device)
        return cls(states, none, none, states.new_empty(0), states.new_empty(0))

    def __len__(self) -> int:
        return len(self.period)

    @property
    def fixed_points(self) -> Float[Tensor, "s *shape"]:
        """The attractors that are fixed points."""
        return self.states[self.period[self.owner] == 1]

    def match(
        self, Z: Float[Tensor, "n *shape"], away: Float[Tensor, " n"] | None = None
    ) -> Int[Tensor, " n"]:
        """Finds the attractor that each state belongs to, -1 for none.

        Args:
            Z: `(n, *shape)`, states.
            away: `(n,)`, how far each may be from its limit, if further than the attractor's reach.
        """
        index, distance = nearest(Z, self.states)
        if len(self) == 0:
            return index
        owner = self.owner[index]
        reach = self.reach[owner]
        reach = reach if away is None else torch.maximum(reach, away)
        return torch.where(distance <= reach, owner, -1)


class Assigned(NamedTuple):
    """An atlas, and where orbits belong in it.

    Attributes:
        atlas: The atlas with the attractors that were found.
        labels: `(n,)`, the attractor of each orbit, -1 for none.
        crawled: `(n,)`, whether the orbit's end was none, for from there it leads further on.
    """

    atlas: Atlas
    labels: Int[Tensor, " n"]
    crawled: Bool[Tensor, " n"]


def assign(f: SelfMap, orbits: Orbits, atlas: Atlas, *, tol: float) -> Assigned:
    """Assigns ends of orbits to attractors; those not known yet are verified and added.

    Ends that lie together are one group; one of each is compared with the known attractors. If it
    is none of them it is refined, its true period found, its spectral radius `rho` computed, and
    kept if it attracts (`mnemoscope.dynamics.stability`).

    A step that moves a state by `s` near an attractor leaves it `s / (1 - rho)` away from it in the
    slowest direction. So a refined point, which a step moves by what rounding has left, may lie so
    far from where it belongs. In single precision that is too far to separate slow attractors from
    each other, or from what does not attract: there ends are followed in double precision
    (`mnemoscope.dynamics.slow`) and refined there. Orbits that are unsettled but near their limits
    count as well, for refining leads to these.
    """
    resolution = RESOLUTION * tol * f.unit
    labels = torch.full((len(orbits),), -1, dtype=torch.int64, device=f.device)
    crawled = torch.zeros_like(labels, dtype=torch.bool)
    periods = torch.where(_almost(orbits, tol), 1, orbits.period)
    away = 2 * f.unit * orbits.distance.nan_to_num(0.0, posinf=0.0)
    away = away.clamp_max(MAX_REACH * resolution)
    for period in periods[(periods > 0) & (periods <= MAX_PERIOD)].unique().tolist():
        mine = (periods == period).nonzero()[:, 0]
        ends = orbits.end[mine]
        group, leaders = group_within(ends, resolution)
        found = atlas.match(ends[leaders], away[mine[leaders]])
        if not f.resolution.smooth:
            sizes = torch.bincount(group, minlength=len(leaders))
            atlas, found = _assign_steps(f, ends[leaders], sizes, found, period, atlas, tol)
            labels[mine] = found[group]
            continue
        open_ = (found < 0).nonzero()[:, 0]
        first = leaders[open_]
        some, moved = _attractors(f, ends[first], away[mine[first]], period, tol)
        moving = torch.zeros_like(found, dtype=torch.bool)
        moving[open_[moved]] = True
        for i, point in some:
            known = int(atlas.match(point.lap[:1])[0])
            if known < 0:
                known = len(atlas)
                atlas = _with(f, atlas, point, tol)
            found[open_[i]] = known
        labels[mine], crawled[mine] = found[group], moving[group]
    return Assigned(atlas, labels, crawled)


def _almost(orbits: Orbits, tol: float) -> Tensor:
    """Selects unsettled orbits so near to their limits that refining leads to these."""
    near = orbits.distance <= MAX_REACH * RESOLUTION * tol
    return near & (orbits.status == Status.UNSETTLED)


@dataclass(frozen=True)
class _Attractor:
    """A verified end.

    Attributes:
        lap: `(p, *shape)`, its states.
        spectral_radius: Of the Jacobian of `f^p`.
        residual: How far a lap misses, in units.
    """

    lap: Tensor
    spectral_radius: Tensor
    residual: Tensor


def _with(f: SelfMap, atlas: Atlas, new: _Attractor, tol: float) -> Atlas:
    period = len(new.lap)
    rate = new.spectral_radius.nan_to_num(UNRESOLVED)
    slow = 2 * new.residual / (1 - rate)
    reach = f.unit * slow.clamp(RESOLUTION * tol, MAX_REACH * RESOLUTION * tol)
    # A map that is constant there has no other fixed point nearby, however large its steps.
    if rate > 0:
        reach = torch.maximum(reach, f.resolution.spacing / (1 - rate))
    reach = reach.to(atlas.reach)
    # Of a slow attractor the next number of this precision may be 1.
    radius = new.spectral_radius.clamp_max(1 - torch.finfo(atlas.states.dtype).eps)
    return Atlas(
        states=torch.cat([atlas.states, new.lap]),
        owner=torch.cat([atlas.owner, atlas.owner.new_full((period,), len(atlas))]),
        period=torch.cat([atlas.period, atlas.period.new_tensor([period])]),
        spectral_radius=torch.cat([atlas.spectral_radius, radius[None].to(atlas.reach)]),
        reach=torch.cat([atlas.reach, reach[None]]),
    )


def _assign_steps(
    f: SelfMap,
    ends: Tensor,
    sizes: Tensor,
    found: Tensor,
    period: int,
    atlas: Atlas,
    tol: float,
) -> tuple[Atlas, Tensor]:
    """Verifies ends of orbits of a map whose values come in steps, those of most orbits first.

    Rounding turns one attractor into many fixed points, and cycles of a few steps in size, within
    `spacing / (1 - rho)` of each other. So ends are verified one after another, each time leaving
    out those that belong to what was found.
    """
    order = sizes.argsort(descending=True, stable=True)
    failed = 0
    while failed < MAX_FAILED:
        order = order[found[order] < 0]
        if len(order) == 0:
            return atlas, found
        row, order = order[0], order[1:]
        lap, radius, attracts = _settled(f, ends[row], period)
        if not bool(attracts[0]):
            failed += 1
            continue
        failed = 0
        residual = rms(f(lap[-1:]) - lap[:1])[0] / f.unit
        found[row] = len(atlas)
        atlas = _with(f, atlas, _Attractor(lap, radius[0], residual), tol)
        found[order] = torch.where(found[order] < 0, atlas.match(ends[order]), found[order])
    _log.warning(
        "%d ends of orbits of a map in steps were not examined: %d others did not attract",
        len(order),
        MAX_FAILED,
    )
    return atlas, found


def _settled(f: SelfMap, end: Tensor, period: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the states of a cycle, its spectral radius, and whether it attracts.

    A cycle that is no larger than what rounding keeps apart is a fixed point, its mean.
    """
    states = [end[None]]
    for _ in range(period - 1):
        states.append(f(states[-1]))
    lap = torch.cat(states)
    size = rms(lap - lap.mean(0)).max()
    if period > 1 and size <= MAX_REACH * f.resolution.spacing:
        middle = lap.mean(0, keepdim=True)
        radius, attracts = stability(f, middle)
        if bool(attracts[0] & (size * (1 - radius[0].nan_to_num(0)) <= f.resolution.spacing)):
            return middle, radius, attracts
    radius, attracts = stability(f**period, lap[:1])
    return lap, radius, attracts


def _attractors(
    f: SelfMap, ends: Tensor, away: Tensor, period: int, tol: float
) -> tuple[list[tuple[int, _Attractor]], Int[Tensor, " u"]]:
    """Finds the ends that are attractors, or lead to them, and those that were still moving."""
    found, unsure = _verified(f, ends, away, period, tol)
    if len(unsure) == 0:
        return found, unsure
    start = ends[unsure]
    went = follow_in_double(
        f,
        start,
        DIVERGED * rms(start).clamp_min(f.unit),
        period=period,
        tol=tol * f.unit,
        allowance=torch.full_like(unsure, ALLOWANCE // period),
    )
    resolution = RESOLUTION * tol * f.unit
    still = rms(went.end.to(f.dtype) - start) <= resolution
    # Where even a first step is rounding no distance is known, and the start is as good an end.
    distance = torch.where(still, 0, went.distance)
    near = (distance <= MAX_REACH * resolution) & ~(went.diverged | went.left)
    rows, moved = near.nonzero()[:, 0], unsure[~still]
    if len(rows) == 0:
        return found, moved
    double = in_float64(f, start) or f
    # In double precision the distance that the orbit still has is known.
    exact = double.dtype == torch.float64
    away = (4 * distance if exact else torch.full_like(distance, MAX_REACH * resolution))[rows]
    ends = went.end[rows].to(double.dtype)
    more, _ = _verified(double, ends, away.to(ends), period, tol, last=True)
    found += [(int(unsure[rows[i]]), replace(new, lap=new.lap.to(f.dtype))) for i, new in more]
    return found, moved


def _verified(
    f: SelfMap, ends: Tensor, away: Tensor, period: int, tol: float, *, last: bool = False
) -> tuple[list[tuple[int, _Attractor]], Int[Tensor, " u"]]:
    """Returns the ends that are attractors, and those that this precision cannot decide.

    A refined point further than `away` from its end is not where the orbit leads. If this is the
    `last` word, whatever is verified counts.
    """
    refined = refine(f if period == 1 else f**period, ends)
    settled = refined.settled.nonzero()[:, 0]
    unsure = [] if last else [(~refined.settled).nonzero()[:, 0]]
    if len(settled) == 0:
        return [], torch.cat([settled, *unsure])
    points, resolution = refined.points[settled], RESOLUTION * tol * f.unit
    states = [points]
    for _ in range(period - 1):
        states.append(f(states[-1]))
    lap = torch.stack(states, dim=1)
    true_period = torch.full((len(points),), period, device=f.device)
    for p in range(period - 1, 0, -1):
        if period % p == 0:
            true_period[rms(lap[:, p] - points) <= resolution] = p
    # Further from the end than an orbit that has converged: it had not, but hardly moved.
    far = rms(points - ends[settled]) > away[settled].clamp_min(resolution)
    rounding = torch.finfo(f.dtype).eps * rms(points) / f.unit
    residual = torch.maximum(refined.residual[settled], rounding)
    found: list[tuple[int, _Attractor]] = []
    if not last:
        unsure.append(settled[far])
    for p in true_period.unique().tolist():
        rows = ((true_period == p) & ~far).nonzero()[:, 0]
        radius, attracts = stability(f if p == 1 else f**p, points[rows])
        slow = (radius - 1).abs() <= SLOW
        if not last and f.dtype != torch.float64 and not f.by_values and bool(slow.any()):
            double = in_float64(f, points) is not None
            unsure.append(settled[rows[slow & double]])
            attracts &= ~slow | (not double)
        for row, value in zip(rows[attracts].tolist(), radius[attracts], strict=True):
            new = _Attractor(lap[row, :p], value, residual[row])
            found.append((int(settled[row]), new))
    return found, torch.cat([settled[:0], *unsure])
