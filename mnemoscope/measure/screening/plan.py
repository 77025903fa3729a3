"""What a pass over all examples costs, known before it starts."""

import time
from dataclasses import dataclass

import torch
from jaxtyping import Num
from torch import Tensor

from mnemoscope.maps import SelfMap
from mnemoscope.measure.screening.drift import EVALUATIONS, drift

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
    """The cost of a pass.

    Attributes:
        examples: The number of examples.
        evaluations: Evaluations of the map at one state.
        batch_size: Examples evaluated at once.
        memory: Bytes that a batch takes, besides the examples and the weights.
        seconds: Estimated time, from a timed batch.
    """

    examples: int
    evaluations: int
    batch_size: int
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
    """Seconds of a pass over some examples, the first call's costs left out."""
    some = torch.arange(size) * len(X) // size
    states = f.batch(X[some.to(X.device)])
    drift(f, states[:1])
    begun = time.perf_counter()
    # Its results are numbers of the CPU, so a device has finished.
    drift(f, states)
    return time.perf_counter() - begun
