"""The attractors known so far, and how ends of orbits are held against them."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.fixed_points import refine
from mnemoscope.dynamics.orbits import Orbits, Status
from mnemoscope.dynamics.stability import stability
from mnemoscope.dynamics.states import group_within, nearest, rms
from mnemoscope.maps import SelfMap

MAX_PERIOD = 256
"""Returns after more steps than this are not verified as cycles."""

RESOLUTION = 100
"""Attractors nearer to each other than this many times `tol` (RMS, in units) count as one."""

UNRESOLVED = 0.5
"""What a rate below 1 that steps hide is taken for where a distance depends on it."""

MOST_FAILED = 16
"""Ends of a map in steps that were found, one after another, not to attract: others will not."""

FURTHEST = 100
"""However slow an attractor, ends are its own no further from it than so many resolutions."""


_log = logging.getLogger("mnemoscope")


@dataclass(frozen=True)
class Atlas:
    """Attractors, every one of them refined and verified.

    Attributes:
        states: `(s, *shape)`, the fixed points and every state of every cycle.
        owner: `(s,)`, which attractor a state belongs to.
        period: `(m,)`.
        spectral_radius: `(m,)`, of the Jacobian of `f^p` there, below 1.
        reach: `(m,)`, how far (RMS) from it an end, or another refined state, is still its own.
    """

    states: Float[Tensor, "s *shape"]
    owner: Int[Tensor, " s"]
    period: Int[Tensor, " m"]
    spectral_radius: Float[Tensor, " m"]
    reach: Float[Tensor, " m"]

    @classmethod
    def empty(cls, f: SelfMap) -> "Atlas":
        """An atlas of no attractors yet."""
        states = torch.empty(0, *f.shape, dtype=f.dtype, device=f.device)
        none = torch.empty(0, dtype=torch.int64, device=f.device)
        return cls(states, none, none, states.new_empty(0), states.new_empty(0))

    def __len__(self) -> int:
        return len(self.period)

    @property
    def fixed_points(self) -> Float[Tensor, "s *shape"]:
        """The attractors that are fixed points."""
        return self.states[self.period[self.owner] == 1]

    def match(self, Z: Float[Tensor, "n *shape"]) -> Int[Tensor, " n"]:
        """The attractor whose own each state is, -1 where there is none."""
        index, distance = nearest(Z, self.states)
        if len(self) == 0:
            return index
        owner = self.owner[index]
        return torch.where(distance <= self.reach[owner], owner, -1)


def chart(
    f: SelfMap, orbits: Orbits, atlas: Atlas, *, tol: float
) -> tuple[Atlas, Int[Tensor, " n"]]:
    """Assigns ends of orbits to attractors; those not known yet are verified and added.

    Ends that lie together are one group; one of each is held against the known attractors. Where it
    is none of them it is refined, its true period found, its spectral radius `rho` computed, and
    kept if it attracts; see `mnemoscope.dynamics.stability`.

    A step that moves a state by `s` near an attractor leaves it `s / (1 - rho)` away from it in the
    slowest direction. So an end, which a step still moves by up to `tol`, and a refined point,
    which a step moves by what rounding has left, may lie that far from where they belong.

    Args:
        f: The map.
        orbits: What `iterate` gave.
        atlas: What is known so far.
        tol: The tolerance of `iterate`, in units.

    Returns:
        The atlas with what was found, and `(n,)` the attractor of each orbit, -1 for none.
    """
    resolution = RESOLUTION * tol * f.unit
    labels = torch.full((len(orbits),), -1, dtype=torch.int64, device=f.device)
    settled = (orbits.status == Status.CONVERGED) | (orbits.status == Status.CYCLE)
    for period in orbits.period[settled].unique().tolist():
        if period > MAX_PERIOD:
            continue
        mine = (settled & (orbits.period == period)).nonzero()[:, 0]
        ends = orbits.end[mine]
        group, leaders = group_within(ends, resolution)
        found = atlas.match(ends[leaders])
        if not f.resolution.smooth:
            sizes = torch.bincount(group, minlength=len(leaders))
            atlas, found = _chart_steps(f, ends[leaders], sizes, found, period, atlas, tol)
            labels[mine] = found[group]
            continue
        open_ = (found < 0).nonzero()[:, 0]
        for i, point in _verified(f, ends[leaders[open_]], period, resolution):
            known = int(atlas.match(point.lap[:1])[0])
            if known < 0:
                known = len(atlas)
                atlas = _with(f, atlas, point, tol)
            found[open_[i]] = known
        labels[mine] = found[group]
    return atlas, labels


@dataclass(frozen=True)
class _Attractor:
    """An end that was verified.

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
    slow = 2 * (tol + new.residual) / (1 - rate)
    reach = f.unit * slow.clamp(RESOLUTION * tol, FURTHEST * RESOLUTION * tol)
    # A map that is constant there has no other fixed point nearby, however large its steps.
    if rate > 0:
        reach = torch.maximum(reach, f.resolution.spacing / (1 - rate))
    return Atlas(
        states=torch.cat([atlas.states, new.lap]),
        owner=torch.cat([atlas.owner, atlas.owner.new_full((period,), len(atlas))]),
        period=torch.cat([atlas.period, atlas.period.new_tensor([period])]),
        spectral_radius=torch.cat([atlas.spectral_radius, new.spectral_radius[None]]),
        reach=torch.cat([atlas.reach, reach[None]]),
    )


def _chart_steps(
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
    while failed < MOST_FAILED:
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
        MOST_FAILED,
    )
    return atlas, found


def _settled(f: SelfMap, end: Tensor, period: int) -> tuple[Tensor, Tensor, Tensor]:
    """The states of a cycle, its spectral radius, and whether it attracts.

    A cycle that is no larger than what rounding keeps apart is a fixed point, its mean.
    """
    states = [end[None]]
    for _ in range(period - 1):
        states.append(f(states[-1]))
    lap = torch.cat(states)
    size = rms(lap - lap.mean(0)).max()
    if period > 1 and size <= FURTHEST * f.resolution.spacing:
        middle = lap.mean(0, keepdim=True)
        radius, attracts = stability(f, middle)
        if bool(attracts[0] & (size * (1 - radius[0].nan_to_num(0)) <= f.resolution.spacing)):
            return middle, radius, attracts
    radius, attracts = stability(f**period, lap[:1])
    return lap, radius, attracts


def _verified(
    f: SelfMap, ends: Tensor, period: int, resolution: float
) -> Iterator[tuple[int, _Attractor]]:
    """Yields the index of each end that is an attractor, and the attractor."""
    refined = refine(f**period, ends)
    settled = refined.settled.nonzero()[:, 0]
    if len(settled) == 0:
        return
    points = refined.points[settled]
    states = [points]
    for _ in range(period - 1):
        states.append(f(states[-1]))
    lap = torch.stack(states, dim=1)
    true_period = torch.full((len(points),), period, device=f.device)
    for p in range(period - 1, 0, -1):
        if period % p == 0:
            true_period[rms(lap[:, p] - points) <= resolution] = p
    for p in true_period.unique().tolist():
        rows = (true_period == p).nonzero()[:, 0]
        radius, attracts = stability(f**p, points[rows])
        for row, value in zip(rows[attracts].tolist(), radius[attracts], strict=True):
            residual = refined.residual[settled[row]]
            yield int(settled[row]), _Attractor(lap[row, :p], value, residual)
