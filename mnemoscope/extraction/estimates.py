"""How much a search has not seen: Good and Turing's share, Chao's number of all attractors."""

import math

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from mnemoscope.base.stats import Z95
from mnemoscope.dynamics.chao import chao
from mnemoscope.dynamics.good_turing import good_turing
from mnemoscope.extraction.search import BRED, GIVEN, Search

NOISE, ALL = "noise", "all"
"""Pools: the kinds of noise together, and all starts."""

SCHEMA = {
    "pool": pl.String, "starts": pl.Int64, "ended": pl.Int64, "found": pl.Int64, "once": pl.Int64,
    "twice": pl.Int64, "unseen": pl.Float64, "total": pl.Float64, "low": pl.Float64,
    "high": pl.Float64,
}  # fmt: skip


def estimates_table(found: Search) -> pl.DataFrame:
    """A row for each kind of starts, for all noise together, and for all starts."""
    kinds = list(dict.fromkeys(part.kind for part in found.parts))
    noise = [kind for kind in kinds if kind not in (BRED, GIVEN)]
    pools = {**{kind: [kind] for kind in kinds}, NOISE: noise, ALL: kinds}
    rows = []
    for pool, members in pools.items():
        labels = found.labels(*members) if members else torch.empty(0, dtype=torch.int64)
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
    return pl.DataFrame(rows, schema=SCHEMA)


def chao_total(counts: Int[Tensor, " m"]) -> tuple[float, float, float]:
    """Chao's number of all kinds, seen and unseen, and its 95% interval.

    With `S` kinds seen, `f1` of them once and `f2` twice, `f0 = f1 (f1 - 1) / (2 (f2 + 1))` are
    unseen, with the variance

        f1 (f1 - 1) / (2 (f2 + 1)) + f1 (2 f1 - 1)² / (4 (f2 + 1)²)
            + f1² f2 (f1 - 1)² / (4 (f2 + 1)⁴),

    for `f2 = 0` instead `f1 (f1 - 1) / 2 + f1 (2 f1 - 1)² / 4 - f1⁴ / (4 (S + f0))`. Since `f0` is
    positive, its logarithm is taken to be normal: `S + f0 / K … S + f0 K` with `K = exp(1.96
    √(log(1 + variance / f0²)))` (A. Chao, Biometrics 43, 1987; R. K. Colwell, EstimateS, app. B).
    Where `f0 = 0` only the interval's upper end is above `S`: with `P = exp(-n / S)`, the chance
    that a kind as common as the mean one was missed by all `n`, it is `S / (1 - P) + 1.96 √(S P) /
    (1 - P)`.

    It is a lower bound in expectation whatever the kinds' shares, if the samples were drawn
    independently. For bred starts, which depend on what was found, it is no more than a hint.

    Args:
        counts: `(m,)`, how often each kind was seen, at least once.

    Returns:
        The number, the lower and the upper end of its interval; of no kinds 0, 0 and infinity.

    Example:
        >>> [round(x, 1) for x in chao_total(torch.tensor([9, 1, 1, 1, 2]))]
        [6.5, 5.1, 20.1]
    """
    S, n = len(counts), int(counts.sum())
    if S == 0:
        return 0.0, 0.0, math.inf
    f1, f2 = int((counts == 1).sum()), int((counts == 2).sum())
    f0 = chao(counts)
    if f0 == 0:
        P = math.exp(-n / S)
        return float(S), float(S), S / (1 - P) + Z95 * math.sqrt(S * P) / (1 - P)
    if f2 > 0:
        variance = (
            f0
            + f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
            + f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
        )
    else:
        variance = f0 + f1 * (2 * f1 - 1) ** 2 / 4 - f1**4 / (4 * (S + f0))
    K = math.exp(Z95 * math.sqrt(math.log1p(variance / f0**2)))
    return S + f0, S + f0 / K, S + f0 * K
