"""A training step of many networks, against its batched matrix products alone.

python benchmarks/training_step.py [pairs]

The products are those that no gradient can do without, one forward and two backward in each layer
(one in the first), written to memory that is there already: activations, biases, sums, the loss and
the optimizer are left out.
"""

import statistics
import sys
from collections.abc import Callable
from itertools import pairwise

import fitting
import torch
from timing import PAIRS, seconds, spread, table

import mnemoscope as mn

STEPS, EXAMPLES = 200, 10
HEADER = ["replicas, width, depth", "a step, µs", "products alone, µs", "share of the limit"]
SIZES = [(64, 32, 4), (15, 128, 4), (2, 256, 8)]
"""As many replicas as one group holds."""


def products_alone(replicas: int, width: int, depth: int, n: int) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    sizes = [64, *[width] * (depth - 1), 64]
    pairs = list(pairwise(sizes))

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator)

    W = [drawn(replicas, outputs, inputs) for inputs, outputs in pairs]
    a = [drawn(replicas, n, size) for size in sizes]
    images, gradients = [torch.empty_like(x) for x in a], [torch.empty_like(w) for w in W]

    def step() -> None:
        for i, w in enumerate(W):
            torch.bmm(a[i], w.mT, out=images[i + 1])
        for i in reversed(range(depth)):
            torch.bmm(a[i + 1].mT, a[i], out=gradients[i])
            if i:
                torch.bmm(a[i + 1], W[i], out=images[i])

    return step


def rows(pairs: int) -> list[list[str]]:
    X = mn.load_data("digits", n=EXAMPLES)
    found = []
    for replicas, width, depth in SIZES:
        spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=width, depth=depth)
        alone = products_alone(replicas, width, depth, EXAMPLES)

        def train(steps: int, spec: mn.nets.Spec = spec, replicas: int = replicas) -> None:
            fitting.train_replicas(spec, X, seeds=replicas, tol=1e-30, max_steps=steps)

        def all_products(alone: Callable[[], None] = alone) -> None:
            for _ in range(STEPS):
                alone()

        train(10)
        steps, limit = [], []
        for _ in range(pairs):
            # What is done once, drawing the weights above all, is taken off.
            steps.append((seconds(lambda: train(STEPS)) - seconds(lambda: train(1))) / (STEPS - 1))
            limit.append(seconds(all_products) / STEPS)
        share = statistics.median(b / a for a, b in zip(steps, limit, strict=True))
        found.append(
            [
                f"{replicas}, {width}, {depth}",
                spread([1e6 * t for t in steps]),
                spread([1e6 * t for t in limit]),
                f"**{share:.0%}**",
            ]
        )
    return found


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, rows(pairs)))
