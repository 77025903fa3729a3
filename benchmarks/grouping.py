"""Groups of states around leaders, against a loop over the states.

python benchmarks/grouping.py [pairs]
"""

import sys

import torch
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor

from mnemoscope.dynamics.states import group_within


def one_by_one(Z: Tensor, radius: float) -> int:
    """As a competent user writes it: each state that no leader is near becomes one."""
    left = Z.flatten(1)
    leaders = 0
    while len(left):
        left = left[(left - left[0]).square().mean(1).sqrt() > radius]
        leaders += 1
    return leaders


def question(name: str, Z: Tensor, radius: float, pairs: int, reach: float) -> Comparison:
    found: dict[str, int] = {}

    def ours() -> None:
        found["ours"] = len(group_within(Z, radius)[1])

    def theirs() -> None:
        found["theirs"] = one_by_one(Z, radius)

    return compare(
        name,
        ours,
        theirs,
        pairs=pairs,
        reach=reach,
        note=lambda: f"{found['ours']} groups, the rival's {found['theirs']}",
    )


def comparisons(pairs: int) -> list[Comparison]:
    generator = torch.Generator().manual_seed(0)
    cloud = torch.rand(3000, 64, generator=generator)
    centres = torch.randn(200, 64, generator=generator)
    own = torch.randint(200, (100_000,), generator=generator)
    clusters = centres[own] + 1e-4 * torch.rand(100_000, 64, generator=generator)
    return [
        question("groups of a cloud of 3,000 states, d = 64", cloud, 0.3, pairs, 1),
        question("groups of 100,000 states in 200 clusters, d = 64", clusters, 1e-3, pairs, 2),
    ]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
