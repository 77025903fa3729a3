"""Spectral radius at ten states of 3,072 entries, against the dense Jacobian and its eigenvalues.

python benchmarks/spectral_radius.py [pairs]
"""

import sys

import torch
from timing import compare
from torch import Tensor

import mnemoscope as mn

STATES, SHAPE = 10, (3, 32, 32)


def dense(net: torch.nn.Module, Z: Tensor) -> Tensor:
    """As a competent user writes it: `jacrev` and `eigvals`, state by state."""
    size = Z[0].numel()
    radii = []
    for z in Z:
        with torch.no_grad():
            J = torch.func.jacrev(lambda z: net(z[None])[0])(z).reshape(size, size)
        radii.append(torch.linalg.eigvals(J).abs().max())
    return torch.stack(radii)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    net = mn.nets.FullyConnected(shape=SHAPE, width=1024, depth=6).build(seed=0).eval()
    Z = torch.rand(STATES, *SHAPE, generator=torch.Generator().manual_seed(0))
    found: dict[str, Tensor] = {}
    comparison = compare(
        "spectral radius at 10 states, d = 3072, width 1024, depth 6",
        lambda: found.update(ours=mn.spectral_radius(net, Z)),
        lambda: found.update(rival=dense(net, Z)),
        pairs=pairs,
    )
    print(comparison)
    away = ((found["ours"] - found["rival"]) / found["rival"]).abs().max()
    print(f"largest relative difference {float(away):.1e}")


if __name__ == "__main__":
    main()
