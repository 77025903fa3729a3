"""Fair timing: ours and the rival's in turn, the ratio of each pair, the median of these."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Comparison:
    """Times of two ways to the same answer, in seconds.

    Attributes:
        question: What was computed.
        ours: Seconds of each of our runs.
        rival: Seconds of each of the rival's runs.
    """

    question: str
    ours: list[float]
    rival: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times faster we were, pair by pair."""
        return [rival / own for own, rival in zip(self.ours, self.rival, strict=True)]

    def __str__(self) -> str:
        own, rival, ratio = map(statistics.median, (self.ours, self.rival, self.ratios))
        low, high = min(self.ratios), max(self.ratios)
        return (
            f"{self.question}: {own:.3g} s against {rival:.3g} s, "
            f"{ratio:.1f} times faster ({low:.1f} to {high:.1f} over {len(self.ours)} pairs)"
        )


def compare(
    question: str, ours: Callable[[], object], rival: Callable[[], object], *, pairs: int
) -> Comparison:
    """Runs ours once unmeasured, for what is made on first use, then both in turn."""
    ours()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        times[0].append(seconds(ours))
        times[1].append(seconds(rival))
    return Comparison(question, *times)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one run; on an accelerator, until it is done."""
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun
