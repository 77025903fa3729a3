"""All fixed points of two maps, against canns' `FixedPointFinder` and scipy's `fsolve`.

python benchmarks/slow_points.py [pairs]

`canns` has a port of Golub and Sussillo's FixedPointFinder to JAX; it minimizes `|f(z) - z|^2 / 2`
by Adam from all starts at once, with its own options. `fsolve` (MINPACK's `hybrd`) solves
`f(z) = z` from one start after the other, in float64. What each finds is refined and counted as
ours is; *missed* are points of the rival that ours did not find. canns' is run once, since it takes
minutes. Both maps and all starts are those
of `fixed_points.py`.
"""

# pyright: reportMissingImports=false

import sys
from collections.abc import Callable
from typing import Any

import brainpy as bp
import jax
import jax.numpy as jnp
import numpy as np
import torch
from canns.analyzer.slow_points import FixedPointFinder
from fixed_points import RESOLUTION, digits, missed, starts, tanh
from jax_networks import function, parameters
from scipy.optimize import fsolve
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor

import mnemoscope as mn
from mnemoscope.dynamics.fixed_point_search import FixedPoints, find_fixed_points
from mnemoscope.dynamics.states import group_within

SOLVED = 100
"""Starts that `fsolve` is timed on."""


class Recurrent(bp.DynamicalSystem):
    """A map of flat states as a network that is given no input."""

    def __init__(self, f: Callable[[Any], Any]) -> None:
        super().__init__()
        self.f = f

    def __call__(self, inputs: Any, hidden: Any) -> tuple[Any, Any]:
        """The output and the next hidden state."""
        del inputs
        after = self.f(hidden)
        return after, after


def minimized(f: Callable[[Any], Any], Z: Tensor) -> Tensor:
    """The fixed points that canns finds."""
    finder = FixedPointFinder(
        Recurrent(f), do_compute_jacobians=False, do_decompose_jacobians=False, verbose=False
    )
    flat = Z.flatten(1).numpy()
    found, _ = finder.find_fixed_points(flat[None], np.zeros((1, 1), np.float32), n_inits=len(Z))
    return torch.from_numpy(np.array(found.xstar)).view(-1, *Z.shape[1:])


def solved(f: Callable[[Tensor], Tensor], Z: Tensor) -> Tensor:
    """The points at which `fsolve` says that it has converged."""

    def residual(z: np.ndarray) -> np.ndarray:
        state = torch.from_numpy(z).view(1, *Z.shape[1:])
        return (f(state) - state).numpy().ravel()

    found = []
    for z in Z.double():
        end, _, status, _ = fsolve(residual, z.flatten().numpy(), full_output=True)
        if status == 1:
            found.append(torch.from_numpy(end))
    ends = torch.stack(found) if found else torch.empty(0, Z[0].numel())
    return ends.to(Z).view(-1, *Z.shape[1:])


def distinct(f: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The fixed points among some states, refined, each once."""
    if not len(points):
        return points
    refined = mn.refine(f, points, max_steps=30)
    settled = refined.points[refined.settled]
    return settled[group_within(settled, RESOLUTION)[1]]


def maps() -> list[tuple[str, Any, Any, Any, Tensor]]:
    """The maps: name, in float32, in float64, in JAX, starts."""
    line, net = starts((3,), 400), digits()
    assert isinstance(net.spec, mn.nets.FullyConnected)
    weights, g = parameters(net), function(net.spec)
    f = jax.jit(lambda Z: g(weights, Z))
    double = digits().double()
    return [
        ("tanh 2z in 3 dimensions", tanh, tanh, jax.jit(lambda Z: jnp.tanh(2 * Z)), line),
        ("ten digits, d = 64", net, double, f, starts((1, 8, 8), 400)),
    ]


def question(
    name: str,
    f: Callable[[Tensor], Tensor],
    Z: Tensor,
    whose: str,
    rival: Callable[[Tensor], Tensor],
    part: int,
    pairs: int,
) -> Comparison:
    ours: list[FixedPoints] = []
    theirs: list[Tensor] = []

    def note() -> str:
        other = distinct(f, theirs[-1])
        extent = "" if part == len(Z) else f" from {part:,} starts"
        return (
            f"found {len(ours[-1].points)}, the rival {len(other)}{extent}; missed "
            f"{missed(ours[-1].points, other)}"
        )

    return compare(
        f"fixed points of {name} from {len(Z):,} starts, {whose}",
        lambda: ours.append(find_fixed_points(f, Z)),
        lambda: theirs.append(rival(Z[torch.linspace(0, len(Z) - 1, part).long()])),
        pairs=pairs,
        reach=20,
        part=part / len(Z),
        memory=False,
        note=note,
    )


def comparisons(pairs: int) -> list[Comparison]:
    rows = []
    for name, f, double, in_jax, Z in maps():
        rows += [
            question(name, f, Z, "canns", lambda z, f=in_jax: minimized(f, z), len(Z), 1),
            question(name, f, Z, "fsolve", lambda z, f=double: solved(f, z), SOLVED, pairs),
        ]
    return rows


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
