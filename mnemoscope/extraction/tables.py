"""The tables of an extraction: candidates, how much is unseen, and the curve of discovery."""

import polars as pl
import torch
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.unseen import chao_total, good_turing
from mnemoscope.extraction.candidates import Evidence
from mnemoscope.extraction.search import BRED, GIVEN, Search

NOISE, ALL = "noise", "all"
"""Pools: the kinds of noise together, and all starts."""


def candidates_table(known: Evidence, score: Tensor, found: Search) -> pl.DataFrame:
    """Returns a row for each candidate; see `mnemoscope.extraction.Extraction`."""
    noise = torch.tensor([kind not in (BRED, GIVEN) for kind in found.kinds])
    count, total = known.starts[noise].sum(0), int(known.tried[noise].sum())
    low, high = wilson(count, total)
    kinds = ["cycle" if period > 1 else "fixed_point" for period in known.period.tolist()]
    columns = {
        "rank": torch.arange(1, len(known) + 1),
        "score": score,
        "kind": pl.Series(kinds, dtype=pl.String),
        "attractor": known.attractor,
        "period": known.period,
        "spectral_radius": known.spectral_radius,
        "starts": known.starts.sum(0),
        "basin_fraction": count.double() / max(1, total),
        "basin_low": low,
        "basin_high": high,
        "kinds_reached": (known.starts > 0).sum(0),
        "kinds_tried": torch.full_like(count, len(found.kinds)),
        "excess": known.excess,
        "contrast": known.contrast,
        "roughness": known.roughness,
    }
    return pl.DataFrame(
        {name: x.numpy() if isinstance(x, Tensor) else x for name, x in columns.items()}
    )


def estimates_table(found: Search) -> pl.DataFrame:
    """Returns a row for each kind of starts, for all noise together, and for all starts."""
    noise = [kind for kind in found.kinds if kind not in (BRED, GIVEN)]
    pools = {**{kind: [kind] for kind in found.kinds}, NOISE: noise, ALL: found.kinds}
    rows = []
    for pool, members in pools.items():
        labels = found.labels(members)
        counts = labels[labels >= 0].unique(return_counts=True)[1]
        total, low, high = chao_total(counts)
        rows.append(
            {
                "pool": pool,
                "starts": len(labels),
                "ended": int(counts.sum()),
                "found": len(counts),
                "once": int((counts == 1).sum()),
                "twice": int((counts == 2).sum()),
                "unseen": good_turing(labels),
                "total": total,
                "low": low,
                "high": high,
            }
        )
    return pl.DataFrame(rows)


def history_table(found: Search) -> pl.DataFrame:
    """Returns a row for each kind of each round."""
    used = torch.tensor([len(part.labels) for part in found.parts]).cumsum(0)
    return pl.DataFrame(
        {
            "round": [part.round for part in found.parts],
            "kind": [part.kind for part in found.parts],
            "starts": used.tolist(),
            "found": [part.found for part in found.parts],
            "seconds": [part.seconds for part in found.parts],
        }
    )
