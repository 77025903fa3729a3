"""64 networks trained to a loss of 1e-8, against a loop over plain PyTorch training.

python benchmarks/replicas.py [pairs]

Ten digits (d = 64), full batch, Adam at a constant rate of 1e-3 on both sides, the same weights to
begin with. The rival looks at its loss in every step, as its loop must to know when to stop.
"""

import sys

import fitting
import torch
from timing import HEADER, PAIRS, Comparison, compare, table
from torch import Tensor, nn

import mnemoscope as mn

REPLICAS, TOL, LR = 64, 1e-8, 1e-3

QUESTIONS = [(32, 4, 50.0, 16), (128, 4, 15.0, 32), (256, 8, 5.0, 16)]
"""Width, depth, reach, and how many of the 64 the rival trains (the others take as long)."""


def plain_training(net: nn.Module, X: Tensor, *, tol: float = TOL, lr: float = LR) -> int:
    """As a competent user writes it; the steps taken."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    steps = 0
    while True:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(X), X)
        if loss.item() <= tol:
            return steps
        loss.backward()
        optimizer.step()
        steps += 1


def question(width: int, depth: int, reach: float, trained: int, pairs: int) -> Comparison:
    X = mn.load_data("digits", n=10)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=width, depth=depth)
    steps: dict[str, float] = {}

    def ours() -> None:
        replicas = fitting.train_replicas(
            spec, X, seeds=REPLICAS, tol=TOL, lr=LR, schedule="constant"
        )
        assert bool(replicas.converged.all())
        steps["ours"] = float(replicas.steps[:trained].double().mean())

    def rival() -> None:
        taken = [plain_training(spec.build(seed=seed).body, X) for seed in range(trained)]
        steps["rival"] = sum(taken) / trained

    extent = "" if trained == REPLICAS else f"; the rival trains {trained} of the {REPLICAS}"
    return compare(
        f"{REPLICAS} replicas, d = 64, width {width}, depth {depth}, to 1e-8",
        ours,
        rival,
        pairs=pairs,
        reach=reach,
        part=trained / REPLICAS,
        note=lambda: f"mean steps {steps['ours']:.0f} and {steps['rival']:.0f}{extent}",
    )


def comparisons(pairs: int) -> list[Comparison]:
    return [question(*asked, pairs) for asked in QUESTIONS]


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, [c.row() for c in comparisons(pairs)]))
