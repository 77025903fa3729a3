"""How well a value separates members from others: ROC, area, rates, and their bootstrap intervals.

A state is called a member where its value is at most a threshold. The area under the curve is the
probability that a member's value is below another's, ties counted half (Mann & Whitney 1947). The
true positive rate at a false positive rate of `alpha` is that of the largest threshold which calls
at most `alpha` of the others members: no point between two thresholds is made up.

All of it depends on the order of the values alone. A bootstrap resample gives each state a weight,
how often it was drawn, so all resamples are cumulative sums of weights along one order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mnemoscope.base.stats import wilson

MEMORY = 2**22
"""Weights (states times resamples) that are worked on at once: 32 MiB an array."""


@dataclass(frozen=True)
class Ranked:
    """Values of members and of others, as places in the one order of all that occur."""

    member: Int[np.ndarray, " n"]
    other: Int[np.ndarray, " h"]
    places: int

    @classmethod
    def of(cls, member: Float[np.ndarray, " n"], other: Float[np.ndarray, " h"]) -> "Ranked":
        """Ranks values; infinite ones and NaN come last."""
        both = np.nan_to_num(np.concatenate([member, other]), nan=np.inf, posinf=np.inf)
        distinct, place = np.unique(both, return_inverse=True)
        return cls(place[: len(member)], place[len(member) :], len(distinct))


@dataclass(frozen=True)
class Curve:
    """ROC curves of some weightings of the same states, one a row."""

    # Members at or below each threshold, and others, from none to all.
    true: Int[np.ndarray, "b t"]
    false: Int[np.ndarray, "b t"]

    @classmethod
    def of(
        cls,
        ranked: Ranked,
        members: Int[np.ndarray, "b n"] | None = None,
        others: Int[np.ndarray, "b h"] | None = None,
    ) -> "Curve":
        """Returns the curve for each row of weights; default: every state counts once."""
        return cls(
            _cumulative(ranked.member, members, ranked.places),
            _cumulative(ranked.other, others, ranked.places),
        )

    @property
    def area(self) -> Float[np.ndarray, " b"]:
        """Under each curve: trapezia, which count ties half."""
        twice = ((self.true[:, 1:] + self.true[:, :-1]) * np.diff(self.false, axis=1)).sum(1)
        return twice / (2 * self.true[:, -1] * self.false[:, -1])

    def true_rate(self, alpha: float) -> Float[np.ndarray, " b"]:
        """Returns the true positive rate at a false positive rate of at most `alpha`."""
        # The share of a number of states that is meant to be whole may miss it by rounding.
        allowed = self.false[:, -1:] * alpha + 1e-9
        last = (self.false <= allowed).sum(1) - 1
        return np.take_along_axis(self.true, last[:, None], axis=1)[:, 0] / self.true[:, -1]


def _cumulative(
    place: Int[np.ndarray, " n"], weights: Int[np.ndarray, "b n"] | None, places: int
) -> Int[np.ndarray, "b t"]:
    if weights is None:
        weights = np.ones((1, len(place)), dtype=np.int64)
    order = place.argsort(kind="stable")
    running = np.pad(np.cumsum(weights[:, order], axis=1), ((0, 0), (1, 0)))
    return running[:, np.searchsorted(place[order], np.arange(-1, places), side="right")]


@dataclass(frozen=True)
class Separation:
    """How well one score separates members from others, each number with its 95% interval."""

    # Area under the ROC curve.
    auc: tuple[float, float, float]
    # The true positive rate at each false positive rate.
    rates: dict[float, tuple[float, float, float]]
    # `auc` less that of the baseline.
    gain: tuple[float, float, float]


def separations(
    scores: dict[str, Ranked],
    baseline: str,
    alphas: Sequence[float],
    *,
    resamples: int,
    seed: int,
) -> dict[str, Separation]:
    """Measures every score, all on the same resamples.

    Intervals are the 2.5% and 97.5% percentiles over resamples, members and others drawn apart.
    Where a bootstrap is known to be wrong, they are corrected:

    - of an area that is 0 or 1 every resample has the same. But `m = min(n, h)` pairs of a member
      and another, no state in two of them, are all in one order; so the Wilson interval of `m` of
      `m` pairs is taken;
    - the interval of a true positive rate includes the Wilson interval of its count at the
      observed threshold, which a bootstrap misses at 0 and 1;
    - with fewer than `1 / alpha` others a false positive rate of `alpha` means none at all, and the
      threshold is the smallest value of the others. A bootstrap of an extreme is wrong (Bickel &
      Freedman 1981), so the interval is Wilson's alone.
    """
    first = next(iter(scores.values()))
    n, h = len(first.member), len(first.other)
    exact = {name: Curve.of(ranked) for name, ranked in scores.items()}
    areas: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    rates: dict[tuple[str, float], list[np.ndarray]] = {(s, a): [] for s in scores for a in alphas}
    for weights in _weights(n, h, resamples, seed):
        for name, ranked in scores.items():
            curve = Curve.of(ranked, *weights)
            areas[name].append(curve.area)
            for alpha in alphas:
                rates[name, alpha].append(curve.true_rate(alpha))
    area = {name: np.concatenate(parts) for name, parts in areas.items()}
    found = {}
    for name, curve in exact.items():
        auc = float(curve.area[0])
        gain = auc - float(exact[baseline].area[0])
        found[name] = Separation(
            auc=(auc, *_area_interval(auc, area[name], min(n, h))),
            rates={
                alpha: _rate(
                    float(curve.true_rate(alpha)[0]),
                    np.concatenate(rates[name, alpha]),
                    n,
                    resolved=resolvable(alpha, h),
                )
                for alpha in alphas
            },
            gain=(gain, *_percentiles(area[name] - area[baseline])),
        )
    return found


def resolvable(alpha: float, others: int) -> bool:
    """Returns whether a false positive rate of `alpha` lets at least one of the others pass."""
    return others * alpha >= 1 - 1e-9


def _weights(
    n: int, h: int, resamples: int, seed: int
) -> Iterator[tuple[Int[np.ndarray, "b n"], Int[np.ndarray, "b h"]]]:
    """Yields how often each member and each other is drawn, for some resamples at once."""
    rng = np.random.default_rng(seed)
    at_once = max(1, MEMORY // (n + h))
    for done in range(0, resamples, at_once):
        b = min(at_once, resamples - done)
        yield _counts(rng, b, n), _counts(rng, b, h)


def _counts(rng: np.random.Generator, b: int, n: int) -> Int[np.ndarray, "b n"]:
    drawn = rng.integers(n, size=(b, n)) + n * np.arange(b)[:, None]
    return np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _area_interval(auc: float, resampled: np.ndarray, pairs: int) -> tuple[float, float]:
    if auc in (0.0, 1.0):
        low, high = wilson(round(auc) * pairs, pairs)
        return float(low), float(high)
    return _percentiles(resampled)


def _rate(
    rate: float, resampled: np.ndarray, n: int, *, resolved: bool
) -> tuple[float, float, float]:
    low, high = (float(end) for end in wilson(round(rate * n), n))
    if resolved:
        below, above = _percentiles(resampled)
        low, high = min(low, below), max(high, above)
    return rate, low, high
