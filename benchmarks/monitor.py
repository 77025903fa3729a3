"""What a monitor costs a plain training loop.

python benchmarks/monitor.py [pairs]

The same loop with and without a monitor, a few steps of one and then of the other in turn, so that
whatever else the machine does is shared by both. The monitor's clock runs while its own loop does.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import polars as pl
import torch
from timing import PAIRS, spread, table
from torch.nn.functional import mse_loss

import mnemoscope as mn
from mnemoscope.monitoring import Monitor

HEADER = ["network, batch", "without, s", "with, s", "extra", "own account", "records", "states"]
STEPS, EVERY, EXAMPLES, BATCH, TURN = 4000, 500, 50, 10, 20


class Timed:
    """A loop that is run a few steps at a time, with a clock of its own."""

    def __init__(self, steps: Iterator[None]) -> None:
        self.steps = steps
        self._spent, self._begun = 0.0, 0.0

    def now(self) -> float:
        """Seconds that it has run so far; to be called from inside the loop."""
        return self._spent + time.perf_counter() - self._begun

    def run(self, count: int) -> None:
        """Runs `count` steps."""
        self._begun = time.perf_counter()
        for _ in islice(self.steps, count):
            pass
        self._spent = self.now()

    @property
    def seconds(self) -> float:
        """Seconds that it has run."""
        return self._spent


def plain_loop(
    spec: mn.nets.Spec, X: torch.Tensor, after_step: Callable[[torch.nn.Module], None]
) -> Iterator[None]:
    net = spec.build(seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        part = X[torch.randint(len(X), (BATCH,), generator=generator)]
        optimizer.zero_grad()
        mse_loss(net(part), part).backward()
        optimizer.step()
        after_step(net)
        yield


def pair(spec: mn.nets.Spec, X: torch.Tensor) -> tuple[float, float, pl.DataFrame]:
    """Seconds without and with a monitor, and its history."""
    alone = Timed(plain_loop(spec, X, lambda _: None))
    watched = Timed(iter(()))
    monitor = Monitor(X, EVERY)
    monitor.clock = watched.now
    watched.steps = plain_loop(spec, X, monitor)
    for _ in range(STEPS // TURN):
        alone.run(TURN)
        watched.run(TURN)
    return alone.seconds, watched.seconds, monitor.history


def rows(pairs: int) -> list[list[str]]:
    digits = mn.load_data("digits", n=EXAMPLES)
    photos = mn.load_data("photos", n=EXAMPLES, size=32)
    settings = [
        (mn.nets.FullyConnected(shape=(1, 8, 8), width=128, depth=4), digits),
        (mn.nets.FullyConnected(shape=(1, 8, 8), width=256, depth=8), digits),
        (mn.nets.FullyConnected(shape=(3, 32, 32), width=256, depth=8), photos),
    ]
    found = []
    for spec, X in settings:
        without, with_it, histories = zip(*(pair(spec, X) for _ in range(pairs)), strict=True)
        extra = [b / a - 1 for a, b in zip(without, with_it, strict=True)]
        account = [history["share"][-1] for history in histories]
        found.append(
            [
                f"width {spec.width}, depth {spec.depth}, d = {X[0].numel()}, {BATCH}",
                spread(without),
                spread(with_it),
                f"**{statistics.median(extra):.1%}** ({min(extra):.1%} – {max(extra):.1%})",
                f"{statistics.median(account):.1%} (to {max(account):.1%})",
                f"{histories[-1].height} of {STEPS // EVERY}",
                ", ".join(map(str, histories[-1]["states"])),
            ]
        )
    return found


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(table(HEADER, rows(pairs)))
