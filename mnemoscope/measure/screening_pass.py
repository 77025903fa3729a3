"""The pass of a screening over all examples: its cost, and how suspicious each example is."""

import time
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap
from mnemoscope.measure.subject import at_once

STEPS = 8
"""Steps after which the drift is measured."""

EVALUATIONS = STEPS + 1
"""Evaluations of the map at each example."""


@dataclass(frozen=True)
class Drift:
    """How far the first steps carry each example, RMS in units."""

    # Of `f(x) - x`.
    residual: Float[Tensor, " n"]
    # Of `f^8(x) - x`: at most about `match_tol` at a stored example.
    drift: Float[Tensor, " n"]
    # Of `f^9(x) - f^8(x)`: small where the orbit settles.
    step: Float[Tensor, " n"]


def drift(f: SelfMap, x: Float[Tensor, "n *shape"]) -> Drift:
    """Applies the map `EVALUATIONS` times to a batch of its states."""
    z = f(x)
    residual = rms(z - x)
    for _ in range(STEPS - 1):
        z = f(z)
    away = rms(z - x)
    step = rms(f(z) - z)
    found = torch.stack([residual, away, step]).to("cpu", torch.float64) / f.unit
    return Drift(*torch.where(torch.isfinite(found), found, torch.nan))


HELD = 4
"""States held for each example of a batch, besides what the map takes: the example, its image, and
their difference while it is squared."""

BATCH_ENTRIES = 2**20
"""Entries of a batch beyond which larger ones are not faster."""

LARGEST = 2**14
"""Examples of a batch beyond which larger ones are not faster, for small states."""

FIRST = 8
"""Examples that are timed first."""

SLOW = 2.0
"""Seconds that a timed batch may take; a map that is slower is timed at the first examples only."""


@dataclass(frozen=True)
class Plan:
    """The cost of a pass: evaluations of the map at one state, and the estimated time."""

    examples: int
    evaluations: int
    batch_size: int
    # Bytes that a batch takes, besides the examples and the weights.
    memory: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"screening {self.examples:,} examples: {self.evaluations:,} evaluations in batches of "
            f"{self.batch_size:,}, about {self.seconds:.2g} s and {self.memory / 2**20:.3g} MiB"
        )


def plan(f: SelfMap, X: Num[Tensor, "n *shape"]) -> Plan:
    """Times a batch of the examples, evenly spread over all, and scales to all of them."""
    each = f.footprint.evaluate + HELD * f.size * f.dtype.itemsize
    largest = max(1, min(LARGEST, BATCH_ENTRIES // f.size, len(X)))
    size = f.batch_size(each, largest=largest)
    timed = min(FIRST, size)
    # The faster of two: threads that are woken for the first time took most of the first one.
    seconds = min(_timed(f, X, timed) for _ in range(2))
    if seconds * size / timed <= SLOW and size > timed:
        seconds, timed = _timed(f, X, size), size
    return Plan(
        examples=len(X),
        evaluations=EVALUATIONS * len(X),
        batch_size=size,
        memory=size * each,
        seconds=seconds * len(X) / timed,
    )


def _timed(f: SelfMap, X: Tensor, size: int) -> float:
    """Times a pass over some examples (s), without the costs of the first call."""
    some = torch.arange(size) * len(X) // size
    states = f.batch(X[some.to(X.device)])
    drift(f, states[:1])
    begun = time.perf_counter()
    # Its results are numbers of the CPU, so a device has finished.
    drift(f, states)
    return time.perf_counter() - begun


def order_of(found: Drift) -> Int[Tensor, " n"]:
    """Orders the examples, the most suspicious first.

    By their drift, then by their residual, then by their index, so that ties are in one order on
    any machine. Those whose orbit leaves the finite numbers are last.
    """
    order = torch.arange(len(found.drift))
    for key in (found.residual, found.drift):
        key = torch.where(torch.isnan(key), torch.inf, key)
        order = order[key[order].argsort(stable=True)]
    return order


def first_distinct(
    f: SelfMap, X: Num[Tensor, "n *shape"], order: Int[Tensor, " n"], most: int
) -> Int[Tensor, " r"]:
    """Returns the first examples in an order, of those that are equal (as states) only one.

    Duplicates have the same drift, so a hundred copies of one example would hide all others.
    """
    seen: set[bytes] = set()
    chosen: list[int] = []
    for rows in order.split(at_once(f)):
        states = f.batch(X[rows.to(X.device)]).cpu().double()
        # Adding 0 makes one zero of the two.
        for row, state in zip(rows.tolist(), (states + 0).flatten(1).numpy(), strict=True):
            key = state.tobytes()
            if key not in seen:
                seen.add(key)
                chosen.append(row)
            if len(chosen) == most:
                return torch.tensor(chosen)
    return torch.tensor(chosen)


def drawn(n: int, most: int, seed: int) -> Int[Tensor, " r"]:
    """Draws a random sample of the examples without replacement, in their order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(n, generator=generator)[:most].sort().values
