"""What each of many networks of one spec has memorized."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.base.unit import unit_of
from mnemoscope.dynamics.orbits import TOL
from mnemoscope.dynamics.stored import MATCH_TOL, match_radii
from mnemoscope.measure.auditing import audit
from mnemoscope.nets.stack import make_stack
from mnemoscope.results import Audit
from mnemoscope.training import Replicas, replica_spectral_radius

LEFT = 10 * MATCH_TOL
"""An orbit that has gone this far from its example (RMS, in units) is taken to end elsewhere: from
a residual of 1e-4 it has grown a thousandfold, as none does that is near an attractor of its own.
"""

MOST_STEPS = 2_000
"""At a residual of 1e-4 an orbit that settles at all near its example has done so by then, unless
the spectral radius there is above 0.995."""

LOOK = 16
"""Steps between two looks at which networks are done."""

NEUTRAL = 1e-5
"""A spectral radius closer to 1 than this is not resolved from 1 in float32: it does not attract.
"""


def audit_replicas(
    replicas: Replicas,
    X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"],
    **options: Any,
) -> tuple[Audit, ...]:
    """Audits every network, in this order.

    Args:
        replicas: The networks.
        X: `(n, *shape)`, the training examples; or `(R, n, *shape)`, for each its own.
        **options: As `mn.audit` takes them.

    Raises:
        MnemoscopeError: as `mn.audit`.
    """
    each = replicas.states_of_each(X)
    return tuple(audit(net, own, **options) for net, own in zip(replicas, each, strict=True))


def stored_by_replica(
    replicas: Replicas, X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"]
) -> Bool[Tensor, "r n"]:
    """Decides whose own orbits end at a fixed point that attracts and matches them.

    `mnemoscope.dynamics.stored.stored_examples` for every replica, but that a cycle does not count.
    An orbit has come so near to its limit that the bound on what is left, `s rho / (1 - rho)` with
    the last step `s` and the spectral radius `rho` there, cannot take the limit out of the ball.

    Args:
        replicas: The networks.
        X: `(n, *shape)`, the examples of all of them; or `(r, n, *shape)`, of each its own.
    """
    like, shape = replicas.parameters[0], replicas.spec.shape
    X = X.to(like).expand(len(replicas), *X.shape[-len(shape) - 1 :])
    ends = X.clone()
    settled = torch.zeros(ends.shape[:2], dtype=torch.bool, device=X.device)
    rows = torch.arange(len(replicas), device=X.device)
    step_size = torch.zeros(ends.shape[:2], dtype=X.dtype, device=X.device)
    unit, tau, usable = _radii(X)
    stack, Z, own = make_stack(replicas.spec, replicas.parameters), ends.clone(), X
    for step in range(1, MOST_STEPS + 1):
        before, Z = Z, stack.forward(Z)
        if step % LOOK and step < MOST_STEPS:
            continue
        moved = _rms(Z - before)
        still = moved <= TOL * unit[rows]
        settled[rows], ends[rows], step_size[rows] = still, Z, moved
        open_ = (~still & (_rms(Z - own) <= LEFT * unit[rows])).any(1)
        if not bool(open_.any()):
            break
        if not bool(open_.all()):
            rows, Z, own = rows[open_], Z[open_], own[open_]
            stack = make_stack(replicas.spec, [values[rows] for values in replicas.parameters])
    apart = _rms(ends - X)
    near = settled & usable & (apart <= tau)
    # Of an orbit that is not near, the example will do: it may have diverged.
    states = torch.where(near.reshape(*near.shape, *[1] * len(shape)), ends, X)
    radius = replica_spectral_radius(replicas, states).to(X.device)
    left = step_size * radius / (1 - radius).clamp_min(NEUTRAL)
    return (near & (radius < 1 - NEUTRAL) & (apart + left <= tau)).cpu()


def _radii(
    X: Float[Tensor, "r n *shape"],
) -> tuple[Float[Tensor, "r 1"], Float[Tensor, "r n"], Bool[Tensor, "r n"]]:
    """Returns the unit of each network's examples, their radii, and which may count as stored."""
    units, taus, usable = [], [], []
    known: dict[int, int] = {}
    for row, own in enumerate(X):
        same = known.setdefault(own.data_ptr(), row)
        if same < row:
            for values in (units, taus, usable):
                values.append(values[same])
            continue
        units.append(unit_of(own))
        radii = match_radii(own, unit=units[-1])
        taus.append(radii.tau)
        usable.append(radii.distinct & ~radii.indistinguishable)
    unit = X.new_tensor(units)[:, None]
    return unit, torch.stack(taus), torch.stack(usable)


def _rms(Z: Tensor) -> Float[Tensor, "r n"]:
    return Z.flatten(2).square().mean(2).sqrt()
