"""Recall: does an orbit from a corrupted example end at the attractor of that very example?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.data import corrupt
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import Outcomes, outcomes_of_blocks
from mnemoscope.dynamics.starts import block_size
from mnemoscope.dynamics.stored import recalled
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.subject import Subject
from mnemoscope.results.tables import CURVES, RECALL


@dataclass(frozen=True)
class Recalled:
    """What became of every corrupted example."""

    table: pl.DataFrame
    # None: there were no copies.
    ended: Outcomes | None


def measure_recall(subject: Subject, atlas: Atlas, examined: Examined) -> tuple[Atlas, Recalled]:
    """Corrupts every example `trials` times in every way and iterates.

    Corrupted copies are made and iterated in blocks, whatever their number; the witness of an
    attractor is the first copy that ended there.
    """
    f, X, trials = subject.f, subject.X, subject.options.trials
    conditions = [(kind, s) for kind, strengths in subject.corruptions.items() for s in strengths]
    if not conditions:
        return atlas, Recalled(pl.DataFrame(schema=RECALL), None)
    generator = torch.Generator(X.device).manual_seed(subject.seed)
    copies = _copies(X, conditions, trials, f.unit, generator)
    atlas, ended = outcomes_of_blocks(f, atlas, "corrupted", copies, **subject.orbits)
    labels = ended.labels.reshape(len(conditions), trials, len(X))
    count = recalled(labels, atlas, examined.radii, X).sum(1).cpu()
    low, high = wilson(count, trials)
    n = len(X)
    table = pl.DataFrame(
        {
            "example": list(range(n)) * len(conditions),
            "corruption": [kind for kind, _ in conditions for _ in range(n)],
            "strength": [float(strength) for _, strength in conditions for _ in range(n)],
            "trials": [trials] * (n * len(conditions)),
            "recalled": count.flatten().tolist(),
            "rate": (count.double() / trials).flatten().tolist(),
            "low": low.flatten().tolist(),
            "high": high.flatten().tolist(),
        },
        schema=RECALL,
    )
    return atlas, Recalled(table, ended)


def _copies(
    X: Tensor,
    conditions: Sequence[tuple[str, float]],
    trials: int,
    unit: float,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    """Yields corrupted copies by condition, trial and example, at least a block at once."""
    waiting: list[Tensor] = []
    block = block_size(X.shape[1:].numel())
    each = max(1, block // len(X))
    for kind, strength in conditions:
        for done in range(0, trials, each):
            batch = corrupt(
                X, kind, strength, generator=generator, trials=min(each, trials - done), unit=unit
            )
            waiting.append(batch.flatten(0, 1))
            if sum(map(len, waiting)) >= block:
                yield torch.cat(waiting)
                waiting.clear()
    if waiting:
        yield torch.cat(waiting)


def recall_curves(table: pl.DataFrame) -> pl.DataFrame:
    """Makes the table `CURVES`: recall over all examples for each corruption and strength."""
    totals = table.group_by("corruption", "strength", maintain_order=True).agg(
        pl.col("trials").sum(), pl.col("recalled").sum()
    )
    counts = torch.tensor(totals["recalled"].to_list(), dtype=torch.int64)
    trials = torch.tensor(totals["trials"].to_list(), dtype=torch.int64)
    low, high = wilson(counts, trials)
    return totals.with_columns(
        rate=pl.col("recalled") / pl.col("trials"),
        low=pl.Series(low.tolist(), dtype=pl.Float64),
        high=pl.Series(high.tolist(), dtype=pl.Float64),
    ).cast(CURVES)  # pyright: ignore[reportArgumentType]
