"""A census from 2,000 starts of the demo's network, against 1,000 fixed iterations of them all.

mnemoscope demo; python benchmarks/census.py [pairs]
"""

import sys

import torch
from timing import compare
from torch import Tensor

import mnemoscope as mn

STARTS = 2000


def thousand_iterations(net: torch.nn.Module, Z: Tensor) -> Tensor:
    """As a competent user writes it: the whole batch, a fixed number of times."""
    with torch.no_grad():
        for _ in range(1000):
            Z = net(Z)
    return Z


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    net = mn.nets.load("runs/demo/network.safetensors").eval()
    for kind in ("uniform", "wide_gaussian"):
        starts = mn.Starts(kind, STARTS)
        Z = next(starts.blocks(net.shape, dtype=torch.float32, device=torch.device("cpu")))
        census, ends = mn.find_attractors(net, Z), thousand_iterations(net, Z)
        away = (census.attractors[census.labels] - ends).flatten(1).square().mean(1).sqrt()
        print(
            f"{kind}: {len(census.period)} attractors, {int((census.labels < 0).sum())} starts at "
            f"none; ends differ by at most {float(away.max()):.1e} (RMS)"
        )
        print(
            compare(
                f"census from {STARTS} {kind} starts",
                lambda Z=Z: mn.find_attractors(net, Z),
                lambda Z=Z: thousand_iterations(net, Z),
                pairs=pairs,
            )
        )


if __name__ == "__main__":
    main()
