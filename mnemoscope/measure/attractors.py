"""The table of attractors: what was found, how stable, how often, and whether it is an example."""

import math
from collections.abc import Sequence

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.orbits import Status
from mnemoscope.dynamics.outcomes import Outcomes, bred_blocks, outcomes_of_blocks, reached_by
from mnemoscope.dynamics.starts import Starts
from mnemoscope.dynamics.unseen import good_turing
from mnemoscope.measure.examples import Examined
from mnemoscope.measure.subject import Subject
from mnemoscope.results.tables import ATTRACTORS, BASINS, STARTS


def attractors_table(
    atlas: Atlas,
    nearest_example: Int[Tensor, " m"],
    distance: Tensor,
    spurious: Tensor,
    noise: Sequence[Outcomes],
) -> pl.DataFrame:
    """Makes the table `ATTRACTORS`: a row for each attractor, largest basin first.

    `basin_fraction` is the share of all starts of the noise distributions (without the bred ones)
    that ended there, `starts` their number. An attractor found from examples alone has 0.
    """
    count, total = pooled_counts(atlas, noise)
    low, high = wilson(count, total)
    return pl.DataFrame(
        {
            "id": list(range(len(atlas))),
            "kind": ["cycle" if p > 1 else "fixed_point" for p in atlas.period.tolist()],
            "period": atlas.period.tolist(),
            "spectral_radius": [
                None if math.isnan(r) else r for r in atlas.spectral_radius.double().tolist()
            ],
            "basin_fraction": (count.double() / max(total, 1)).tolist(),
            "basin_low": low.tolist(),
            "basin_high": high.tolist(),
            "starts": count.tolist(),
            "nearest_example": nearest_example.tolist(),
            "distance": distance.double().tolist(),
            "spurious": spurious.tolist(),
        },
        schema=ATTRACTORS,
    ).sort("starts", descending=True, maintain_order=True)


def pooled_counts(atlas: Atlas, noise: Sequence[Outcomes]) -> tuple[Int[Tensor, " m"], int]:
    """Counts the starts of the noise distributions that ended at each attractor, and all."""
    count = torch.zeros(len(atlas), dtype=torch.int64)
    total = 0
    for part in noise:
        if part.kind == "bred":
            continue
        labels = part.labels[part.labels >= 0].cpu()
        count += torch.bincount(labels, minlength=len(atlas))
        total += len(part.labels)
    return count, total


BREEDING_ROUNDS = 6
"""Rounds of starts bred from attractors found; they end when one finds nothing new."""


def from_noise(subject: Subject, atlas: Atlas) -> tuple[Atlas, list[Outcomes]]:
    """Follows starts that need no data: each kind of noise, then starts bred from attractors.

    The bred starts come from attractors that noise reached, never from examples.
    """
    f, seed, starts = subject.f, subject.seed, subject.options.starts
    ended: list[Outcomes] = []
    for offset, kind in enumerate(subject.options.start_kinds):
        blocks = Starts(kind, starts, subject.span, seed=seed + offset).blocks(
            f.shape, dtype=f.dtype, device=f.device
        )
        atlas, part = outcomes_of_blocks(f, atlas, kind, blocks, **subject.orbits)
        ended.append(part)
    offspring: list[Outcomes] = []
    reached = reached_by(ended)
    for turn in range(BREEDING_ROUNDS):
        if len(reached) < 2:
            break
        parents = atlas.states[torch.isin(atlas.owner, reached)]
        blocks = bred_blocks(parents, starts, seed=seed + 1000 * turn)
        atlas, part = outcomes_of_blocks(f, atlas, "bred", blocks, **subject.orbits)
        offspring.append(part)
        before, reached = len(reached), reached_by([*ended, *offspring])
        if len(reached) == before:
            break
    if offspring:
        ended.append(
            Outcomes(
                "bred",
                torch.cat([part.labels for part in offspring]),
                torch.cat([part.status for part in offspring]),
                sum(part.applications for part in offspring),
                {k: v for part in reversed(offspring) for k, v in part.witness.items()},
            )
        )
    return atlas, ended


def starts_table(
    ended: Sequence[Outcomes],
    matches: Bool[Tensor, " m"],
    period: Int[Tensor, " m"],
    examined: Examined,
) -> pl.DataFrame:
    """Makes the table `STARTS`: a row for each distribution."""
    rows = []
    for part in ended:
        labels = part.labels[part.labels >= 0]
        own, cycle = matches[labels], period[labels] > 1
        lost, late, left = (
            int((part.status == status).sum())
            for status in (Status.DIVERGED, Status.UNSETTLED, Status.LEFT_DOMAIN)
        )
        rows.append(
            {
                "kind": part.kind,
                "starts": len(part.labels),
                "at_examples": int(own.sum()),
                "at_spurious": int((~own & ~cycle).sum()),
                "at_cycles": int((~own & cycle).sum()),
                "unsettled": late,
                "diverged": lost,
                "left_domain": left,
                "not_attracting": len(part.labels) - len(labels) - lost - late - left,
                "examples_reached": examined.reached(labels),
                "attractors_reached": len(labels.unique()),
                "unseen": good_turing(part.labels),
                "applications": part.applications,
            }
        )
    return pl.DataFrame(rows, schema=STARTS)


def basins_table(ended: Sequence[Outcomes]) -> pl.DataFrame:
    """Makes the table `BASINS`: a row for each distribution and each attractor it reached."""
    frames = [pl.DataFrame(schema=BASINS)]
    for part in ended:
        ids, counts = part.labels[part.labels >= 0].unique(return_counts=True)
        total = len(part.labels)
        low, high = wilson(counts, total)
        frames.append(
            pl.DataFrame(
                {
                    "kind": [part.kind] * len(ids),
                    "attractor": ids.tolist(),
                    "starts": counts.tolist(),
                    "total": [total] * len(ids),
                    "fraction": (counts.double() / total).tolist(),
                    "low": low.tolist(),
                    "high": high.tolist(),
                },
                schema=BASINS,
            )
        )
    return pl.concat(frames)
