"""Fair timing: ours and the rival's in turn, the ratio of each pair, the median of these."""

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

PAIRS = 5


@dataclass(frozen=True)
class Comparison:
    """Times of two ways to the same answer, in seconds.

    Attributes:
        question: What was computed.
        ours: Seconds of each of our runs.
        rival: Seconds of each of the rival's runs, all of its work.
        reach: The ratio that is aimed at.
        memory: MiB that each run added at its peak, ours and the rival's; NaN where unknown.
        note: What else was seen, and of what a part was extrapolated.
    """

    question: str
    ours: list[float]
    rival: list[float]
    reach: float
    memory: tuple[float, float] = (math.nan, math.nan)
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """How many times faster we were, pair by pair."""
        return [rival / own for own, rival in zip(self.ours, self.rival, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of them."""
        return statistics.median(self.ratios)

    def row(self) -> list[str]:
        """The cells of the table `HEADER`."""
        low, high = min(self.ratios), max(self.ratios)
        return [
            self.question,
            spread(self.ours),
            spread(self.rival),
            f"**{self.ratio:.3g}** ({low:.3g} – {high:.3g})",
            f"{self.reach:g}",
            " / ".join("–" if math.isnan(m) else f"{m:.0f}" for m in self.memory),
            self.note,
        ]


HEADER = ["question", "ours, s", "rival, s", "ratio", "aim", "memory, MiB", "note"]


def spread(times: Sequence[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(times):.3g} ({min(times):.3g} – {max(times):.3g})"


def compare(
    question: str,
    ours: Callable[[], object],
    rival: Callable[[], object],
    *,
    pairs: int,
    reach: float,
    part: float = 1.0,
    memory: bool = True,
    note: Callable[[], str] = lambda: "",
) -> Comparison:
    """Runs ours once unmeasured, for what is made on first use, then both in turn.

    Args:
        question: What is computed.
        ours: Our way.
        rival: The other way, or `part` of it.
        pairs: How often.
        reach: The ratio that is aimed at.
        part: The share of its work that `rival` does; its times are divided by it.
        memory: Whether to run both once more, for the memory that they need.
        note: Evaluated after the last pair, for the table.
    """
    ours()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        times[0].append(seconds(ours))
        times[1].append(seconds(rival) / part)
    used = (added_memory(ours), added_memory(rival)) if memory else (math.nan, math.nan)
    return Comparison(question, *times, reach=reach, memory=used, note=note())


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one run; on an accelerator, until it is done."""
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def median_seconds(work: Callable[[], object], *, runs: int = PAIRS) -> float:
    """The median of some runs after one that is not counted."""
    work()
    return statistics.median(seconds(work) for _ in range(runs))


def added_memory(work: Callable[[], object]) -> float:
    """MiB of resident memory that a run adds at its peak; NaN if not available."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        work()
        return max(0.0, _status("VmHWM") - before)
    except (OSError, AttributeError):
        return math.nan


def _status(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def slope(sizes: Sequence[float], times: Sequence[float]) -> float:
    """The exponent `p` of the power law `time ~ size^p` that fits best, by least squares."""
    x, y = ([math.log(v) for v in values] for values in (sizes, times))
    mx, my = statistics.fmean(x), statistics.fmean(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum(
        (a - mx) ** 2 for a in x
    )
