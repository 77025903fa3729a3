"""Estimates of what a census or a search has not seen: Good and Turing's share, Chao's number."""

import math

from jaxtyping import Int
from torch import Tensor

from mnemoscope.base.stats import Z95


def good_turing(labels: Int[Tensor, " n"]) -> float:
    """Estimates the share of starts that end at an attractor not seen yet (I. J. Good 1953).

    `N_1 / N`: the attractors seen exactly once, over the starts that ended at any.

    Args:
        labels: `(n,)`, the attractor of each start. Labels of -1 (no attractor) are ignored; with
            no others the share is 1.
    """
    seen = labels[labels >= 0]
    if len(seen) == 0:
        return 1.0
    _, counts = seen.unique(return_counts=True)
    return float((counts == 1).sum()) / len(seen)


def chao(counts: Int[Tensor, " m"]) -> float:
    """Returns a lower bound, in expectation, for the number of kinds that no sample was of.

    `f1 (f1 - 1) / (2 (f2 + 1))` with `f1` kinds seen once and `f2` seen twice (A. Chao, Scand. J.
    Statist. 11, 1984; the form without bias). `counts` holds how often each kind was seen.

    Example:
        >>> import torch
        >>> chao(torch.tensor([9, 1, 1, 1, 2]))
        1.5
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once * (once - 1) / (2 * (twice + 1))


def chao_total(counts: Int[Tensor, " m"]) -> tuple[float, float, float]:
    """Computes Chao's number of all kinds, seen and unseen, and its 95% interval.

    With `S` kinds seen, `f1` of them once and `f2` twice, `f0 = f1 (f1 - 1) / (2 (f2 + 1))` are
    unseen, with the variance

        f1 (f1 - 1) / (2 (f2 + 1)) + f1 (2 f1 - 1)² / (4 (f2 + 1)²)
            + f1² f2 (f1 - 1)² / (4 (f2 + 1)⁴),

    for `f2 = 0` instead `f1 (f1 - 1) / 2 + f1 (2 f1 - 1)² / 4 - f1⁴ / (4 (S + f0))`. Since `f0` is
    positive, its logarithm is taken to be normal: `S + f0 / K … S + f0 K` with `K = exp(1.96
    √(log(1 + variance / f0²)))` (A. Chao, Biometrics 43, 1987; R. K. Colwell, EstimateS, app. B).
    Where `f0 = 0` only the interval's upper end is above `S`: with `P = exp(-n / S)`, the chance
    that a kind as common as the mean one was missed by all `n`, it is `S / (1 - P) + 1.96 √(S P) /
    (1 - P)`. With no kinds seen it is 0, 0 and infinity.

    It is a lower bound in expectation whatever the kinds' shares, if the samples were drawn
    independently. Starts bred from attractors depend on what was found: for these it is a hint.

    Example:
        >>> import torch
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
