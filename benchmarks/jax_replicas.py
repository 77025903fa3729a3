"""64 networks trained to a loss of 1e-8, against JAX: `jit(vmap(while_loop))` with optax's Adam.

python benchmarks/jax_replicas.py [pairs] [a|b]

Ten digits (d = 64), full batch, the same first weights. The rival trains groups of networks, each
network until its own loss is reached; of five sizes of groups it takes the one whose first group
was fastest for each network. Compilation is not counted.

(a) is Adam at a rate of 1e-3 on both sides. (b) is to interpolation by the best means of each, the
fastest of some: Adam at three rates on both sides, and ours with the last layer solved as well. The
stored examples of both are counted by the same function, and the 95% intervals of their shares
compared.
"""

# pyright: reportMissingImports=false

import sys
import time
from typing import Any

import fitting
import jax
import jax.numpy as jnp
import optax
import torch
from best_means import MAX_STEPS, RATES, REPLICAS, TOL, both_stored, fastest_of_ours
from jax_networks import Parameters, function, parameters
from replicas import LR
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor, nn

import mnemoscope as mn

GROUPS = (16, 8, 4, 2, 1)
"""How many groups the rival's networks make."""

SIZES = [(32, 4, 64), (128, 4, 64), (256, 8, 16)]
"""Width, depth, and how many of the 64 the rival trains (the others take as long)."""


class Rival:
    """Training as a competent user of JAX writes it."""

    def __init__(self, spec: mn.nets.FullyConnected, X: Tensor, count: int) -> None:
        f, flat = function(spec), jnp.array(X.flatten(1))
        self._first = [parameters(spec.build(seed=seed)) for seed in range(count)]

        def loss(layers: Parameters) -> Any:
            return jnp.mean((f(layers, flat) - flat) ** 2)

        def trained(layers: Parameters, lr: Any, tol: Any, most: Any) -> Any:
            adam = optax.inject_hyperparams(optax.adam)(learning_rate=lr)

            def unfinished(carry: Any) -> Any:
                return (carry[2] > tol) & (carry[4] < most)

            def step(carry: Any) -> Any:
                layers, state, _, gradient, steps = carry
                updates, state = adam.update(gradient, state)
                layers = optax.apply_updates(layers, updates)
                return layers, state, *jax.value_and_grad(loss)(layers), steps + 1

            first = (layers, adam.init(layers), *jax.value_and_grad(loss)(layers), 0)
            last = jax.lax.while_loop(unfinished, step, first)
            return last[0], last[2], last[4]

        self._trained = jax.jit(jax.vmap(trained, in_axes=(0, None, None, None)))

    def group(self, begin: int, size: int, lr: float, most: int = MAX_STEPS) -> Any:
        """Trains some networks; returns their layers, losses and steps, stacked."""
        stacked = jax.tree.map(lambda *p: jnp.stack(p), *self._first[begin : begin + size])
        return jax.block_until_ready(self._trained(stacked, lr, TOL, most))

    def all(self, size: int, lr: float) -> list[Any]:
        """Trains all networks in groups of this size."""
        return [self.group(begin, size, lr) for begin in range(0, len(self._first), size)]

    def fastest(self, rates: tuple[float, ...]) -> tuple[int, float, float]:
        """The fastest size and rate by a first group, and the longest compilation in seconds."""
        compilation, sizes = 0.0, [len(self._first) // groups for groups in GROUPS]
        for size in sizes:
            begun = time.perf_counter()
            self.group(0, size, LR, most=0)
            compilation = max(compilation, time.perf_counter() - begun)
        size = min(sizes, key=lambda size: self._seconds(size, LR))
        rate = min(rates, key=lambda lr: self._seconds(size, lr)) if len(rates) > 1 else LR
        return size, rate, compilation

    def _seconds(self, size: int, lr: float) -> float:
        """Seconds of the first group for each network; infinite if one does not interpolate."""
        begun = time.perf_counter()
        _, losses, _ = self.group(0, size, lr)
        reached = bool((losses <= TOL).all())
        return (time.perf_counter() - begun) / size if reached else float("inf")


def networks(spec: mn.nets.FullyConnected, groups: list[Any]) -> list[nn.Module]:
    """Networks with the weights that the rival has found."""
    nets = []
    for layers, _, _ in groups:
        for r in range(len(layers[0][0])):
            net = spec.build(seed=0)
            linear = [m for m in net.modules() if isinstance(m, nn.Linear)]
            with torch.no_grad():
                for module, (weight, bias) in zip(linear, layers, strict=True):
                    module.weight.copy_(torch.tensor(weight[r].tolist()))
                    module.bias.copy_(torch.tensor(bias[r].tolist()))
            nets.append(net.eval())
    return nets


def question(way: str, width: int, depth: int, count: int, pairs: int) -> Comparison:
    X = mn.load_data("digits", n=10)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=width, depth=depth)
    options: dict[str, Any] = {"tol": TOL, "lr": LR, "schedule": "constant"}
    if way == "b":
        options = fastest_of_ours(spec, X)
    rival = Rival(spec, X, count)
    size, lr, compilation = rival.fastest((LR,) if way == "a" else RATES)
    found: dict[str, Any] = {}

    def note() -> str:
        mine, theirs = found["ours"], found["rival"]
        losses = jnp.concatenate([group[1] for group in theirs])
        parts = [
            f"interpolated {int(mine.converged.sum())} of {REPLICAS} and "
            f"{int((losses <= TOL).sum())} of {count}",
            f"the rival in groups of {size}, compiled in {compilation:.1f} s",
        ]
        if way == "b":
            parts.append(f"rates {options['lr']:g} (finish: {options['finish']}) and {lr:g}")
            parts += both_stored(list(mine), networks(spec, theirs), X)
        return "; ".join(parts)

    return compare(
        f"({way}) {REPLICAS} replicas, d = 64, width {width}, depth {depth}, JAX",
        lambda: found.update(ours=fitting.train_replicas(spec, X, seeds=REPLICAS, **options)),
        lambda: found.update(rival=rival.all(size, lr)),
        pairs=pairs,
        part=count / REPLICAS,
        memory=False,
        reach=2 if way == "a" else 3,
        note=note,
    )


def comparisons(pairs: int, ways: str = "ab") -> list[Comparison]:
    return [question(way, *size, pairs) for way in ways for size in SIZES]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    ways = sys.argv[2] if len(sys.argv) > 2 else "ab"
    print(table(HEADER, [c.row() for c in comparisons(pairs, ways)]))
