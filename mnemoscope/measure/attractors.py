"""The table of attractors: what was found, how stable, how often, and whether it is an example."""

import math
from collections.abc import Sequence

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import Outcomes
from mnemoscope.results.tables import ATTRACTORS


def attractors_table(
    atlas: Atlas,
    nearest_example: Int[Tensor, " m"],
    distance: Tensor,
    spurious: Tensor,
    noise: Sequence[Outcomes],
) -> pl.DataFrame:
    """A row for each attractor, largest basin first: `ATTRACTORS`.

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
    """How many starts of the noise distributions ended at each attractor, and of how many."""
    count = torch.zeros(len(atlas), dtype=torch.int64)
    total = 0
    for part in noise:
        if part.kind == "bred":
            continue
        labels = part.labels[part.labels >= 0].cpu()
        count += torch.bincount(labels, minlength=len(atlas))
        total += len(part.labels)
    return count, total
