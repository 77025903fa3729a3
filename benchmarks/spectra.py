"""Spectral radius and operator norm at many states, against the dense Jacobian.

python benchmarks/spectra.py [pairs]
"""

import sys
from collections.abc import Callable
from typing import Any

import fitting
import torch
from timing import HEADER, PAIRS, Comparison, compare, median_seconds, table
from torch import Tensor, nn

import mnemoscope as mn


def dense_radius(net: nn.Module, Z: Tensor) -> Tensor:
    """As a competent user writes it: `jacrev` and `eigvals`, state by state."""
    return _each(net, Z, lambda J: torch.linalg.eigvals(J).abs().max())


def dense_norm(net: nn.Module, Z: Tensor) -> Tensor:
    """As a competent user writes it: `jacrev` and `svdvals`, state by state."""
    return _each(net, Z, lambda J: torch.linalg.svdvals(J).max())


def batched_radius(net: nn.Module, Z: Tensor) -> Tensor:
    """For small states: all Jacobians at once with `vmap`."""
    size = Z[0].numel()
    with torch.no_grad():
        J = torch.func.vmap(torch.func.jacrev(lambda z: net(z[None])[0]))(Z)
    return torch.linalg.eigvals(J.reshape(len(Z), size, size)).abs().amax(1)


def _each(net: nn.Module, Z: Tensor, value: Callable[[Tensor], Tensor]) -> Tensor:
    size, found = Z[0].numel(), []
    for z in Z:
        with torch.no_grad():
            J = torch.func.jacrev(lambda z: net(z[None])[0])(z).reshape(size, size)
        found.append(value(J))
    return torch.stack(found)


WITH_PRODUCTS = {
    mn.spectral_radius: "jacobian_eigenvalues",
    mn.operator_norm: "jacobian_singular_values",
}
"""By name: an earlier checkout that only times its own side may lack them."""


def question(
    asked: str,
    ours: Callable[..., Any],
    rival: Callable[[nn.Module, Tensor], Tensor],
    net: mn.nets.Network,
    Z: Tensor,
    *,
    pairs: int,
    reach: float,
    states: int | None = None,
) -> Comparison:
    """A comparison whose rival works on the first `states` only (each takes as long)."""
    found: dict[str, Tensor] = {}
    part = len(Z) if states is None else states

    def note() -> str:
        one, other = found["ours"][:part], found["rival"]
        away = float(((one - other) / other).abs().max())
        f = mn.SelfMap(net)
        linear = f.linearize(Z)
        products = int(getattr(mn, WITH_PRODUCTS[ours])(net, Z, 1).products.max())
        share = (
            products
            * median_seconds(lambda: linear.jvp(Z))
            / median_seconds(lambda: ours(net, Z), runs=3)
        )
        extent = "" if states is None else f"; the rival does {states} of {len(Z)}"
        alone = f"{products} products alone {share:.0%}"
        return f"largest relative difference {away:.0e}; {alone}{extent}"

    return compare(
        asked,
        lambda: found.update(ours=ours(net, Z)),
        lambda: found.update(rival=rival(net, Z[:part])),
        pairs=pairs,
        reach=reach,
        part=part / len(Z),
        note=note,
    )


def comparisons(pairs: int) -> list[Comparison]:
    large = mn.nets.FullyConnected(shape=(3, 32, 32), width=1024, depth=6).build(seed=0).eval()
    Z = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    X = mn.load_data("digits", n=100)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=256, depth=8)
    small = spec.build(seed=0).eval()
    fitting.train(small, X, batch_size=20, max_steps=1000)
    text = "at 10 states, d = 3,072, width 1,024, depth 6"
    return [
        question(
            f"spectral radius {text}", mn.spectral_radius, dense_radius, large, Z,
            pairs=pairs, reach=60, states=3,
        ),
        question(
            "spectral radius at 100 states, d = 64", mn.spectral_radius, batched_radius, small, X,
            pairs=pairs, reach=1,
        ),
        question(
            f"operator norm {text}", mn.operator_norm, dense_norm, large, Z,
            pairs=pairs, reach=60, states=3,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
