"""Scores candidates against the training examples.

An example is *found* by the first candidate that lies as near to it as an attractor must lie to
store it (`mnemoscope.dynamics.stored`), and *disclosed* by the first one within `match_tol` of it.
A candidate that finds an example counts as `found`; one that discloses examples but finds none (it
lies between near-duplicates) as `near`; one within `match_tol` of examples disclosed before as
`duplicate`; every other as `none`. Exact duplicates are one example.

- precision at a rank: of the candidates down to it, the share that are `found` or `near`. A
  duplicate is true, and yet counts against it: it is a picture to look through that adds nothing;
- recall: of the distinct examples, the share that are found.

Both with their 95% Wilson intervals. `found` and `disclosed` count distinct examples so far.
"""

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.base.unit import unit_of
from mnemoscope.dynamics.states import rms
from mnemoscope.dynamics.stored import match_radii

FOUND, NEAR, DUPLICATE, NONE = "found", "near", "duplicate", "none"

CHUNK = 64
"""Candidates that are compared with all examples at once."""


def score_table(
    candidates: Float[Tensor, "m *shape"],
    X: Float[Tensor, "n *shape"],
    match_tol: float,
    *,
    unit: float | None = None,
) -> pl.DataFrame:
    """Builds a row for each candidate, best first: which example it is, precision, recall so far.

    A candidate within `match_tol` (RMS, in units, default: those of `X`) of an example is one.
    """
    unit = unit_of(X) if unit is None else unit
    X = X.to(candidates)
    radii = match_radii(X, unit=unit, match_tol=match_tol)
    rows = radii.distinct.nonzero()[:, 0]
    m, n = len(candidates), len(rows)
    within = torch.full_like(radii.tau[rows], match_tol * unit)
    tau = torch.where(radii.indistinguishable[rows], -1, radii.tau[rows])
    finds, discloses, nearest, distance = _first_within(candidates, X[rows], tau, within)
    newly_found, newly_near = (
        torch.bincount(first[first < m], minlength=m) for first in (finds, discloses)
    )
    news = (newly_found > 0) | (newly_near > 0)
    hits, found = news.cumsum(0), newly_found.cumsum(0)
    rank = torch.arange(1, m + 1)
    precision, recall = wilson(hits, rank), wilson(found, torch.full_like(found, n))
    word = [
        FOUND if own else NEAR if other else DUPLICATE if close else NONE
        for own, other, close in zip(
            (newly_found > 0).tolist(),
            (newly_near > 0).tolist(),
            (distance <= match_tol * unit).tolist(),
            strict=True,
        )
    ]
    return pl.DataFrame(
        {
            "rank": rank.tolist(),
            "match": word,
            "example": torch.cat([rows, rows.new_tensor([-1])])[nearest].tolist(),
            "distance": (distance / unit).tolist(),
            "found": found.tolist(),
            "disclosed": newly_near.cumsum(0).tolist(),
            "precision": (hits / rank).double().tolist(),
            "precision_low": precision[0].tolist(),
            "precision_high": precision[1].tolist(),
            "recall": (found / max(1, n)).double().tolist(),
            "recall_low": recall[0].tolist(),
            "recall_high": recall[1].tolist(),
        },
        schema_overrides={"rank": pl.Int64, "match": pl.String, "example": pl.Int64},
    )


def average_precision(scores: pl.DataFrame) -> float:
    """Averages the precision at each candidate that is `found` or `near`; NaN if none is.

    1 if every one of them precedes every other candidate.
    """
    mean = scores.filter(pl.col("match").is_in([FOUND, NEAR]))["precision"].mean()
    return float(mean) if isinstance(mean, float) else float("nan")


def _first_within(
    candidates: Tensor, X: Tensor, tau: Tensor, within: Tensor
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Returns the first candidate in two balls around each example, and each candidate's example.

    For each example the first candidate within `tau` of it, and the first within `within` (`m` for
    none); for each candidate the example that it finds, else one that it discloses, else the
    nearest one, and the distance.
    """
    m, n = len(candidates), len(X)
    finds, discloses = (torch.full((n,), m, dtype=torch.int64) for _ in range(2))
    nearest = torch.full((m,), -1, dtype=torch.int64)
    distance = torch.full((m,), torch.inf, dtype=torch.float64)
    for rows in torch.arange(m).split(CHUNK) if m and n else ():
        # Differences, not products, which lose half the digits.
        d = torch.stack([rms((X - candidates[row]).double()) for row in rows])
        own = d
        for first, radius in ((discloses, within), (finds, tau)):
            first.copy_(torch.minimum(first, torch.where(d <= radius, rows[:, None], m).amin(0)))
            mine = torch.where(first == rows[:, None], d, torch.inf)
            own = torch.where(torch.isfinite(mine).any(1)[:, None], mine, own)
        distance[rows], nearest[rows] = own.min(1)
    return finds, discloses, nearest, distance
