"""A snapshot of a network in training: loss, contraction and storage at some of its examples."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.dynamics.atlas import Atlas, assign
from mnemoscope.dynamics.orbits import TOL, Status, iterate
from mnemoscope.dynamics.states import rms
from mnemoscope.dynamics.stored import MatchRadii, distance_to_attractor
from mnemoscope.linalg import jacobian_eigenvalues
from mnemoscope.maps import SelfMap

RADIUS_TOL = 1e-3
"""Relative residual of a spectral radius: enough for a curve over a training."""

MAX_PRODUCTS = 64
"""Maximum number of products with each Jacobian."""

SCREEN = 32
"""Steps after which orbits that have gone far, and did not come back in the latter half of these,
as on a cycle, are given up: most do early in a training."""

FAR = 10
"""An orbit further from its example than this many radii is taken to end elsewhere: one that ends
within the radius would have grown tenfold on its way to an attractor."""


@dataclass(frozen=True)
class Snapshot:
    """Measurements at each state.

    Attributes:
        loss: Mean squared error over all of them, in squared units.
        spectral_radius: `(m,)`, of the Jacobian at the state.
        converged: `(m,)`, whether that reached its tolerance.
        stored: `(m,)`, whether the state's orbit ended at an attractor that matches it.
        unsettled: Number of orbits that stayed near and had not settled after `max_steps`; none
            of them counts as stored.
    """

    loss: float
    spectral_radius: Float[Tensor, " m"]
    converged: Bool[Tensor, " m"]
    stored: Bool[Tensor, " m"]
    unsettled: int


def snapshot(
    f: SelfMap, Z: Float[Tensor, "m *shape"], radii: MatchRadii, *, max_steps: int
) -> Snapshot:
    """Takes an audit's measurements at some examples, with fewer products and shorter orbits."""
    with f.evaluating():
        loss = float(f.residual(Z).double().square().mean())
        if not loss < torch.inf:
            nothing = Z.new_full((len(Z),), torch.nan)
            none = torch.zeros(len(Z), dtype=torch.bool, device=Z.device)
            return Snapshot(loss, nothing, none, none, 0)
        found = jacobian_eigenvalues(f, Z, 1, tol=RADIUS_TOL, max_products=MAX_PRODUCTS)
        stored, unsettled = _stored(f, Z, radii, max_steps)
    return Snapshot(loss, found.radius, found.converged[:, 0], stored, unsettled)


def _stored(
    f: SelfMap, Z: Float[Tensor, "m *shape"], radii: MatchRadii, max_steps: int
) -> tuple[Bool[Tensor, " m"], int]:
    """Marks the stored states, and counts the orbits that stayed near and did not settle."""
    stored = torch.zeros(len(Z), dtype=torch.bool, device=Z.device)
    z, screened = Z, min(SCREEN, max_steps - 1)
    nearest = Z.new_full((len(Z),), torch.inf)
    for step in range(1, screened + 1):
        z = f(z)
        if 2 * step > screened:
            nearest = torch.fmin(nearest, rms(z - Z))
    rows = (nearest <= FAR * radii.tau).nonzero()[:, 0]
    if len(rows) == 0:
        return stored, 0
    orbits = iterate(f, z[rows], max_steps=max_steps - screened)
    # Refining moves an end by far less than the radius. Of a cycle any state may match.
    arrived = rms(orbits.end - Z[rows]) <= 2 * radii.tau[rows]
    arrived &= orbits.status == Status.CONVERGED
    arrived |= orbits.status == Status.CYCLE
    if bool(arrived.any()):
        found = rows[arrived]
        atlas, labels, _ = assign(f, orbits.of(arrived), Atlas.empty(f), tol=TOL)
        near = distance_to_attractor(Z[found], labels, atlas)
        stored[found] = radii.at(found).stored(labels, near)
    return stored, orbits.count(Status.UNSETTLED)
