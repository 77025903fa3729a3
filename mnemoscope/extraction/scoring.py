"""What candidates are worth, once the training examples are shown."""

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.states import rms
from mnemoscope.intervals import wilson

FOUND, DUPLICATE, NONE = "found", "duplicate", "none"

CHUNK = 64
"""Candidates that are held against all examples at once."""


def score_table(
    candidates: Float[Tensor, "m *shape"], X: Float[Tensor, "n *shape"], match_tol: float
) -> pl.DataFrame:
    """A row for each candidate, best first: which example it is, precision and recall so far.

    An example is found by the first candidate within `match_tol` of it (RMS). A candidate that
    finds one or more counts as `found` (examples that are alike may share one), one that is within
    `match_tol` of examples found already as `duplicate`, every other as `none`.

    - precision at a rank: of the candidates down to it, the share that are `found`. A duplicate is
      true, and yet counts against it: it is a picture to look through that brings nothing;
    - recall: of the examples, the share that are found.

    Both with their 95% Wilson intervals.
    """
    m, n = len(candidates), len(X)
    first, nearest, distance = _first_within(candidates, X.to(candidates), match_tol)
    near = distance <= match_tol
    news = torch.bincount(first[first < m], minlength=m)
    hits, found = (news > 0).cumsum(0), news.cumsum(0)
    rank = torch.arange(1, m + 1)
    precision, recall = wilson(hits, rank), wilson(found, torch.full_like(found, n))
    word = [
        FOUND if new else DUPLICATE if close else NONE
        for new, close in zip((news > 0).tolist(), near.tolist(), strict=True)
    ]
    return pl.DataFrame(
        {
            "rank": rank.tolist(),
            "match": word,
            "example": nearest.tolist(),
            "distance": distance.tolist(),
            "found": found.tolist(),
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
    """Mean of the precision at each candidate that is `found`; NaN if none is.

    1 if every one of them stands before every other candidate.
    """
    mean = scores.filter(pl.col("match") == FOUND)["precision"].mean()
    return float(mean) if isinstance(mean, float) else float("nan")


def _first_within(
    candidates: Tensor, X: Tensor, match_tol: float
) -> tuple[Int[Tensor, " n"], Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Which candidates are near to which examples.

    Of each example the first candidate near it (`m` for none); of each candidate the example that
    it found, else the nearest one, and how far that is.
    """
    m, n = len(candidates), len(X)
    first = torch.full((n,), m, dtype=torch.int64)
    nearest = torch.full((m,), -1, dtype=torch.int64)
    distance = torch.full((m,), torch.inf, dtype=torch.float64)
    for rows in torch.arange(m).split(CHUNK) if m and n else ():
        # Differences, not products, which lose half the digits.
        d = torch.stack([rms((X - candidates[row]).double()) for row in rows])
        within = torch.where(d <= match_tol, rows[:, None], m).amin(0)
        first = torch.minimum(first, within)
        own = torch.where(first == rows[:, None], d, torch.inf)
        found = own.amin(1) <= match_tol
        least, index = torch.where(found[:, None], own, d).min(1)
        distance[rows], nearest[rows] = least, index
    return first, nearest, distance
