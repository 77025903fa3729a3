"""The attractors known so far, and how ends of orbits are held against them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.fixed_points import refine
from mnemoscope.dynamics.orbits import Orbits, Status
from mnemoscope.dynamics.states import group_within, nearest, rms
from mnemoscope.linalg import spectral_radius
from mnemoscope.maps import SelfMap

MAX_PERIOD = 256
"""Returns after more steps than this are not verified as cycles."""


@dataclass(frozen=True)
class Atlas:
    """Attractors, every one of them refined and verified.

    Attributes:
        states: `(s, *shape)`, the fixed points and every state of every cycle.
        owner: `(s,)`, which attractor a state belongs to.
        period: `(m,)`.
        spectral_radius: `(m,)`, of the Jacobian of `f^p` there, below 1.
    """

    states: Float[Tensor, "s *shape"]
    owner: Int[Tensor, " s"]
    period: Int[Tensor, " m"]
    spectral_radius: Float[Tensor, " m"]

    @classmethod
    def empty(cls, f: SelfMap) -> "Atlas":
        """An atlas of no attractors yet."""
        states = torch.empty(0, *f.shape, dtype=f.dtype, device=f.device)
        none = torch.empty(0, dtype=torch.int64, device=f.device)
        return cls(states, none, none, states.new_empty(0))

    def __len__(self) -> int:
        return len(self.period)

    @property
    def fixed_points(self) -> Float[Tensor, "s *shape"]:
        """The attractors that are fixed points."""
        return self.states[self.period[self.owner] == 1]

    def match(self, Z: Float[Tensor, "n *shape"], *, resolution: float) -> Int[Tensor, " n"]:
        """The attractor within `resolution` (RMS) of each state, -1 where there is none."""
        index, distance = nearest(Z, self.states)
        owner = torch.full_like(index, -1)
        near = distance <= resolution
        owner[near] = self.owner[index[near]]
        return owner


def chart(
    f: SelfMap, orbits: Orbits, atlas: Atlas, *, resolution: float
) -> tuple[Atlas, Int[Tensor, " n"]]:
    """Assigns ends of orbits to attractors; those not known yet are verified and added.

    Ends that match no known attractor are grouped, one of each group is refined, its true period
    found, and its spectral radius computed. It attracts if that is below 1 by more than the
    spectrum's own residual and rounding (100 eps): a state that merely does not move away (the
    identity, a rotation) is no attractor.

    Args:
        f: The map.
        orbits: What `iterate` gave.
        atlas: What is known so far.
        resolution: Two attractors nearer than this (RMS) count as one.

    Returns:
        The atlas with what was found, and `(n,)` the attractor of each orbit, -1 for none.
    """
    labels = torch.full((len(orbits),), -1, dtype=torch.int64, device=f.device)
    for period in orbits.period.unique().tolist():
        if not 1 <= period <= MAX_PERIOD:
            continue
        mine = (orbits.period == period).nonzero()[:, 0]
        labels[mine] = atlas.match(orbits.end[mine], resolution=resolution)
        open_ = mine[labels[mine] < 0]
        if len(open_) == 0:
            continue
        group, leaders = group_within(orbits.end[open_], resolution)
        found = torch.full((len(leaders),), -1, dtype=torch.int64, device=f.device)
        for i, (points, true_period, radius) in _verified(
            f, orbits.end[open_][leaders], period, resolution
        ):
            known = int(atlas.match(points[:1], resolution=resolution)[0])
            if known < 0:
                known = len(atlas)
                atlas = Atlas(
                    states=torch.cat([atlas.states, points]),
                    owner=torch.cat([atlas.owner, atlas.owner.new_full((len(points),), known)]),
                    period=torch.cat([atlas.period, atlas.period.new_tensor([true_period])]),
                    spectral_radius=torch.cat([atlas.spectral_radius, radius[None]]),
                )
            found[i] = known
        labels[open_] = found[group]
    labels[(orbits.status != Status.CONVERGED) & (orbits.status != Status.CYCLE)] = -1
    return atlas, labels


def _verified(f: SelfMap, ends: Tensor, period: int, resolution: float):
    """Yields index and `(states, period, spectral radius)` of each end that is an attractor."""
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
        radius, info = spectral_radius(f**p, points[rows], return_info=True)
        margin = info.residual[:, 0] + 100 * torch.finfo(f.dtype).eps
        for row, value in zip(
            rows[radius + margin < 1].tolist(), radius[radius + margin < 1], strict=True
        ):
            yield int(settled[row]), (lap[row, :p], p, value)
