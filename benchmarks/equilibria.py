"""10,000 starts to their ends, against the solvers of torchdeq: iteration and Anderson's.

python benchmarks/equilibria.py [pairs]

Both solvers iterate the whole batch until the last start is done, or to their maximum. What a start
ends at is compared where a census in float32 and one in float64 agree: the end that torchdeq finds
must then lie at the same attractor, or at none of them. Anderson's solver is timed only: it may end
at fixed points that repel.
"""

# pyright: reportMissingImports=false

import math
import sys

import torch
from demo_network import demo_network
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor
from torchdeq.solver import get_solver

import mnemoscope as mn
from mnemoscope.dynamics.atlas import RESOLUTION
from mnemoscope.dynamics.orbits import TOL
from mnemoscope.dynamics.states import nearest

STARTS, ITERATIONS = 10_000, 1000

MEASURED = 20
"""Iterations of the rivals that are timed; all take the same time."""

SOME = 200

NEAR = RESOLUTION * TOL
"""RMS, in units: a start whose end is this near to an attractor ended there."""


def solved(
    name: str, net: torch.nn.Module, Z: Tensor, iterations: int = ITERATIONS
) -> tuple[Tensor, int]:
    """The ends that a solver of torchdeq finds, and the iterations until the last was done."""
    tol = TOL * math.sqrt(Z[0].numel())
    with torch.no_grad():
        ends, _, info = get_solver(name)(net, Z, max_iter=iterations, tol=tol)
    done = (info["abs_trace"].amax(0) < tol).nonzero()
    return ends, int(done[0]) if len(done) else iterations


def labelled(ends: Tensor, attractors: Tensor) -> Tensor:
    """The attractor of each end; -1 for none."""
    found, away = nearest(ends, attractors)
    return torch.where(away <= NEAR, found, -1)


def agreement(net: mn.nets.Network, Z: Tensor, ends: Tensor) -> str:
    """Compares the rival's ends with ours, where our censuses in both precisions agree."""
    ours = mn.find_attractors(net, Z)
    finer = mn.find_attractors(demo_network().double(), Z.double())
    where = labelled(finer.attractors.to(Z), ours.attractors)
    both = torch.where(finer.labels >= 0, where[finer.labels], -1)
    sure = (ours.labels == both) & (ours.labels >= 0)
    theirs = labelled(ends, ours.attractors)[sure]
    same = int((theirs == ours.labels[sure]).sum())
    none = int((theirs < 0).sum())
    return (
        f"of {int(sure.sum()):,} ends on which ours in float32 and float64 agree, {same:,} are the "
        f"same, {none} at no attractor"
    )


def starts(net: mn.nets.Network) -> Tensor:
    drawn = mn.Starts("wide_gaussian", STARTS)
    cpu = torch.device("cpu")
    return torch.cat(list(drawn.blocks(net.shape, dtype=torch.float32, device=cpu)))


def question(
    name: str, net: mn.nets.Network, Z: Tensor, pairs: int, taken: int, note: str
) -> Comparison:
    return compare(
        f"{STARTS:,} wide_gaussian starts to their ends, demo network, torchdeq {name}",
        lambda: mn.find_attractors(net, Z),
        lambda: solved(name, net, Z, MEASURED),
        pairs=pairs,
        reach=20,
        part=MEASURED / taken,
        note=lambda: f"{note}; {MEASURED} of the rival's {taken:,} iterations are run",
    )


def comparisons(pairs: int) -> list[Comparison]:
    net = demo_network()
    Z = starts(net)
    ends, taken = solved("fixed_point_iter", net, Z)
    # Anderson's needs at least as many iterations for all starts as for some of them.
    least = solved("anderson", net, Z[:SOME])[1]
    return [
        question("fixed_point_iter", net, Z, pairs, taken, agreement(net, Z, ends)),
        question("anderson", net, Z, pairs, least, f"iterations as for {SOME} of the starts"),
    ]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
