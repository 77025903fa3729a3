"""Which examples a network stores; each of many networks, all at once."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

import mnemoscope as mn
from mnemoscope.dynamics import find_attractors
from mnemoscope.dynamics.orbits import TOL
from mnemoscope.dynamics.states import rms
from mnemoscope.nets.stacking import make_stack

MATCH = 1e-2
"""An attractor within this RMS distance of an example stores it, as in an audit."""

LEFT = 10 * MATCH
"""An orbit that has gone so far from its example (RMS) is taken to end elsewhere: from a residual
of 1e-4 it has grown a thousandfold, as none does that is near an attractor of its own."""

MOST_STEPS = 2_000
"""At a residual of 1e-4 an orbit that settles at all near its example has done so by then, unless
the spectral radius there is above 0.995."""

LOOK = 16
"""Steps between two looks at which networks are done."""

NEUTRAL = 1e-5
"""A spectral radius less than so far below 1 cannot be told from 1 in float32: it does not attract.
"""


def stored(f: nn.Module, X: Float[Tensor, "n *shape"]) -> Bool[Tensor, " n"]:
    """Which examples' own orbits end at an attractor that matches them."""
    census = find_attractors(f, X, X)
    found = census.labels >= 0
    away = rms(census.attractors[census.labels.clamp_min(0)] - X) if len(census.attractors) else 0
    return found & (torch.as_tensor(away) <= MATCH)


def stored_by_each(
    replicas: mn.Replicas, X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"]
) -> Bool[Tensor, "r n"]:
    """Which examples' own orbits end at a fixed point that attracts and matches them.

    `stored` for every replica, but that a cycle does not count.

    Args:
        replicas: The networks.
        X: `(n, *shape)`, the examples of all of them; or `(r, n, *shape)`, of each its own.
    """
    like, shape = replicas.parameters[0], replicas.spec.shape
    X = X.to(like).expand(len(replicas), *X.shape[-len(shape) - 1 :])
    ends = X.clone()
    settled = torch.zeros(ends.shape[:2], dtype=torch.bool, device=X.device)
    rows = torch.arange(len(replicas), device=X.device)
    stack, Z, own = make_stack(replicas.spec, replicas.parameters), ends.clone(), X
    for step in range(1, MOST_STEPS + 1):
        before, Z = Z, stack.forward(Z)
        if step % LOOK and step < MOST_STEPS:
            continue
        still = _rms(Z - before) <= TOL
        settled[rows], ends[rows] = still, Z
        open_ = (~still & (_rms(Z - own) <= LEFT)).any(1)
        if not bool(open_.any()):
            break
        if not bool(open_.all()):
            rows, Z, own = rows[open_], Z[open_], own[open_]
            stack = make_stack(replicas.spec, [values[rows] for values in replicas.parameters])
    near = settled & (_rms(ends - X) <= MATCH)
    # Of an orbit that is not near, the example will do: it may have diverged.
    states = torch.where(near.reshape(*near.shape, *[1] * len(shape)), ends, X)
    return (near & (replicas.spectral_radius(states) < 1 - NEUTRAL)).cpu()


def _rms(Z: Tensor) -> Float[Tensor, "r n"]:
    return Z.flatten(2).square().mean(2).sqrt()
