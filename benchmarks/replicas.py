"""64 networks trained to a loss of 1e-8, against a loop over plain PyTorch training.

python benchmarks/replicas.py [pairs] [a|b]

Ten digits (d = 64), full batch, the same weights to begin with. The rival looks at its loss in
every step, as its loop must to know when to stop.

(a) is Adam at a rate of 1e-3 on both sides. (b) is to interpolation by the best means of each, the
fastest of some: Adam at three rates on both sides, and ours with the last layer solved as well. The
stored examples of both are counted by the same function.
"""

import sys
import time
from typing import Any

import fitting
import torch
from best_means import MAX_STEPS, RATES, REPLICAS, TOL, both_stored, fastest_of_ours
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor, nn

import mnemoscope as mn

LR = 1e-3

TRIED = 4
"""Networks with which the rival tries each rate."""

QUESTIONS = [(32, 4, (60.0, 100.0), 16), (128, 4, (12.0, 20.0), 32), (256, 8, (4.0, 7.0), 16)]
"""Width, depth, reach of (a) and (b), and how many of the 64 the rival trains (the others take as
long)."""


def plain_training(net: nn.Module, X: Tensor, *, tol: float = TOL, lr: float = LR) -> int:
    """As a competent user writes it; the steps taken, `MAX_STEPS` at most."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    for step in range(MAX_STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(X), X)
        if loss.item() <= tol:
            return step
        loss.backward()
        optimizer.step()
    return MAX_STEPS


def fastest_rate(spec: mn.nets.FullyConnected, X: Tensor) -> float:
    """The rate with which some plain trainings come to interpolation soonest."""

    def elapsed(lr: float) -> float:
        begun = time.perf_counter()
        steps = [plain_training(spec.build(seed=seed).body, X, lr=lr) for seed in range(TRIED)]
        return time.perf_counter() - begun if max(steps) < MAX_STEPS else float("inf")

    return min(RATES, key=elapsed)


def question(
    way: str, width: int, depth: int, reach: tuple[float, float], trained: int, pairs: int
) -> Comparison:
    X = mn.load_data("digits", n=10)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=width, depth=depth)
    options: dict[str, Any] = {"tol": TOL, "lr": LR, "schedule": "constant"}
    lr = LR
    if way == "b":
        options, lr = fastest_of_ours(spec, X), fastest_rate(spec, X)
    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"] = fitting.train_replicas(spec, X, seeds=REPLICAS, **options)
        assert bool(found["ours"].converged.all())

    def rival() -> None:
        nets = [spec.build(seed=seed) for seed in range(trained)]
        steps = [plain_training(net.body, X, lr=lr) for net in nets]
        found.update(nets=nets, steps=sum(steps) / trained)

    def note() -> str:
        mean = float(found["ours"].steps[:trained].double().mean())
        parts = [f"mean steps {mean:.0f} and {found['steps']:.0f}"]
        if trained < REPLICAS:
            parts.append(f"the rival trains {trained} of the {REPLICAS}")
        if way == "b":
            parts.append(f"rates {options['lr']:g} (finish: {options['finish']}) and {lr:g}")
            parts += both_stored(list(found["ours"]), found["nets"], X)
        return "; ".join(parts)

    return compare(
        f"({way}) {REPLICAS} replicas, d = 64, width {width}, depth {depth}, to 1e-8",
        ours,
        rival,
        pairs=pairs,
        reach=reach[way == "b"],
        part=trained / REPLICAS,
        note=note,
    )


def comparisons(pairs: int, ways: str = "ab") -> list[Comparison]:
    return [question(way, *asked, pairs) for way in ways for asked in QUESTIONS]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    ways = sys.argv[2] if len(sys.argv) > 2 else "ab"
    print(table(HEADER, [c.row() for c in comparisons(pairs, ways)]))
