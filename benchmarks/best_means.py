"""Training to interpolation by the best means of each side, and whether both store as much."""

import time
from typing import Any

import fitting
from torch import Tensor, nn

import mnemoscope as mn
from mnemoscope.base.stats import Rate
from mnemoscope.dynamics.stored import stored_examples
from mnemoscope.maps import SelfMap

REPLICAS, TOL = 64, 1e-8

RATES = (1e-3, 2e-3, 4e-3)
"""Adam's rates that both sides choose from."""

MAX_STEPS = 20_000

ORBIT = 1000
"""Applications after which an orbit counts as unsettled where stored examples are counted."""


def fastest_of_ours(spec: mn.nets.FullyConnected, X: Tensor) -> dict[str, Any]:
    """The options with which ours come to interpolation soonest, each tried once."""
    ways: list[dict[str, Any]] = [
        {"tol": TOL, "lr": lr, "schedule": "constant", "finish": finish}
        for lr in RATES
        for finish in ("none", "least_squares")
    ]

    def elapsed(options: dict[str, Any]) -> float:
        begun = time.perf_counter()
        replicas = fitting.train_replicas(spec, X, seeds=REPLICAS, max_steps=MAX_STEPS, **options)
        reached = bool(replicas.converged.all())
        return time.perf_counter() - begun if reached else float("inf")

    return min(ways, key=elapsed)


def stored_rate(nets: list[nn.Module], X: Tensor) -> Rate:
    """How many of the examples these networks store."""
    shape, kept = tuple(X.shape[1:]), 0
    for net in nets:
        kept += int(stored_examples(SelfMap(net, shape=shape), X, max_steps=ORBIT).sum())
    return Rate.of(kept, len(nets) * len(X))


def both_stored(ours: list[nn.Module], theirs: list[nn.Module], X: Tensor) -> list[str]:
    """What both sides store, and whether the row counts, for a table's note."""
    one, other = stored_rate(ours, X), stored_rate(theirs, X)
    parts = [f"stored {_text(one)} and {_text(other)}"]
    if one.high < other.low or other.high < one.low:
        parts.append("the intervals do not overlap: this row does not count")
    return parts


def _text(rate: Rate) -> str:
    return f"{rate.count} of {rate.total} ({rate.low:.3f} – {rate.high:.3f})"
