"""A census from 10,000 starts of the demo's network, against 1,000 fixed iterations of them all.

python benchmarks/census.py [pairs]
"""

import sys

import torch
from demo_network import demo_network
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor, nn

import mnemoscope as mn

STARTS, ITERATIONS, MEASURED = 10_000, 1000, 40
"""Starts, iterations of the rival, and how many of these are run (all take the same time)."""


def fixed_iterations(net: nn.Module, Z: Tensor, iterations: int) -> Tensor:
    """As a competent user writes it: the whole batch, a fixed number of times."""
    with torch.no_grad():
        for _ in range(iterations):
            Z = net(Z)
    return Z


def question(kind: str, pairs: int) -> Comparison:
    net = demo_network()
    blocks = mn.Starts(kind, STARTS).blocks(
        net.shape, dtype=torch.float32, device=torch.device("cpu")
    )
    Z = torch.cat(list(blocks))
    found: dict[str, int] = {}

    def ours() -> None:
        found["attractors"] = len(mn.find_attractors(net, Z).period)

    return compare(
        f"{STARTS:,} {kind} starts to convergence, demo network",
        ours,
        lambda: fixed_iterations(net, Z, MEASURED),
        pairs=pairs,
        reach=25,
        part=MEASURED / ITERATIONS,
        note=lambda: (
            f"{found['attractors']} attractors; of the rival's {ITERATIONS:,} iterations "
            f"{MEASURED} are run, and its cdist is left out"
        ),
    )


def comparisons(pairs: int) -> list[Comparison]:
    return [question(kind, pairs) for kind in ("uniform", "wide_gaussian")]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
