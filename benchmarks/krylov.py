"""Spectral radius and operator norm at states, against ARPACK and PROPACK by products alone.

python benchmarks/krylov.py [pairs]

The rivals are scipy's `eigs` (ARPACK) and `svds` with `solver="propack"`, state by state, on the
products of PyTorch's `torch.func`: `linearize` forward, `vjp` backward. Both are asked for the
largest value to the relative tolerance that ours keeps; `svds` squares the tolerance that it is
given before PROPACK sees it.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigs, svds
from timing import HEADER, Comparison, compare, table
from torch import Tensor, nn

import mnemoscope as mn

PAIRS = 9
TOL = 1e-5
"""Relative, as ours: both are computed in float32."""

STEPS = 1000
"""The most steps of PROPACK; its own bound of ten for each value does not suffice."""


def products(net: nn.Module, z: Tensor, *, both: bool) -> Any:
    """The Jacobian at a state as a scipy operator; backward products only if `both`."""
    size = z.numel()

    def f(z: Tensor) -> Tensor:
        return net(z[None])[0]

    def as_numpy(product: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        def work(v: np.ndarray) -> np.ndarray:
            return product(torch.from_numpy(np.ascontiguousarray(v)).view(z.shape)).numpy().ravel()

        return work

    with torch.no_grad():
        forward = torch.func.linearize(f, z)[1]
    backward = torch.func.vjp(f, z)[1] if both else None
    # The types known of scipy's class are those of its subclasses' `__init__`, not of its own call.
    operator: Any = LinearOperator
    return operator(
        (size, size),
        matvec=as_numpy(forward),
        rmatvec=as_numpy(lambda u: backward(u)[0]) if backward else None,
        dtype=np.float32,
    )


def arpack(net: nn.Module, Z: Tensor) -> Tensor:
    """The largest modulus of an eigenvalue at each state."""
    leading: Any = eigs
    found = []
    for z in Z:
        start = np.ones(z.numel(), dtype=np.float32)
        operator = products(net, z, both=False)
        values = leading(operator, k=1, which="LM", tol=TOL, v0=start, return_eigenvectors=False)
        found.append(float(np.abs(values).max()))
    return torch.tensor(found)


def propack(net: nn.Module, Z: Tensor) -> Tensor:
    """The largest singular value at each state."""
    leading: Any = svds
    found = []
    for z in Z:
        start = np.ones(z.numel(), dtype=np.float32)
        values = leading(
            products(net, z, both=True),
            k=1,
            solver="propack",
            tol=TOL**0.5,
            maxiter=STEPS,
            v0=start,
            return_singular_vectors=False,
        )
        found.append(float(values.max()))
    return torch.tensor(found)


def question(
    asked: str,
    ours: Callable[[nn.Module, Tensor], Tensor],
    rival: Callable[[nn.Module, Tensor], Tensor],
    net: nn.Module,
    Z: Tensor,
    pairs: int,
) -> Comparison:
    found: dict[str, Tensor] = {}

    def note() -> str:
        away = float(((found["ours"] - found["rival"]) / found["rival"]).abs().max())
        return f"largest relative difference {away:.0e}"

    return compare(
        asked,
        lambda: found.update(ours=ours(net, Z)),
        lambda: found.update(rival=rival(net, Z)),
        pairs=pairs,
        reach=15,
        note=note,
    )


def networks() -> list[tuple[str, nn.Module, Tensor]]:
    """A network with first weights, whose leading eigenvalues are close, and a trained one."""
    large = mn.nets.FullyConnected(shape=(3, 32, 32), width=1024, depth=6).build(seed=0)
    Z = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    X = mn.load_data("photos", n=10, size=32)
    spec = mn.nets.FullyConnected(shape=(3, 32, 32), width=256, depth=6)
    trained = spec.build(seed=0)
    mn.train(trained, X, mn.TrainingOptions(tol=1e-6))
    return [
        ("at 10 states, d = 3,072, width 1,024, depth 6", frozen(large), Z),
        ("at 10 examples, d = 3,072, width 256, depth 6, trained", frozen(trained), X),
    ]


def frozen(net: nn.Module) -> nn.Module:
    return net.eval().requires_grad_(False)


def comparisons(pairs: int) -> list[Comparison]:
    return [
        question(f"{what} {where}, {whose}", ours, rival, net, Z, pairs)
        for where, net, Z in networks()
        for what, whose, ours, rival in (
            ("spectral radius", "ARPACK", mn.spectral_radius, arpack),
            ("operator norm", "PROPACK", mn.operator_norm, propack),
        )
    ]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
