"""Rates with their intervals, and means with theirs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Float, Num
from torch import Tensor

from mnemoscope.base.text import percent

Z95 = 1.959963984540054
"""The normal quantile of a two-sided 95% interval."""


def wilson(
    count: Num[Tensor, "..."] | float, total: Num[Tensor, "..."] | int
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Computes the 95% score interval of a rate (E. B. Wilson, JASA 22, 1927).

    `(p + z²/2N ± z √(p(1 − p)/N + z²/4N²)) / (1 + z²/N)` with `p = count/total`, `N = total`.
    With no trials at all it is (0, 1). float64. Trials may be numbers in [0, 1] instead of yes or
    no, and the count their sum: their variance is at most `p(1 − p)`, so it is conservative.

    Example:
        >>> low, high = wilson(10, 10)
        >>> round(float(low), 4), float(high)
        (0.7225, 1.0)
    """
    k = torch.as_tensor(count, dtype=torch.float64)
    N = torch.as_tensor(total, dtype=torch.float64)
    trials = N.clamp_min(1)
    z2 = Z95**2
    p = k / trials
    center = p + z2 / (2 * trials)
    spread = Z95 * (p * (1 - p) / trials + z2 / (4 * trials**2)).sqrt()
    # The ends are 0 at count 0 and 1 at count N exactly; rounding would leave 1e-19.
    low = torch.where(k == 0, 0.0, (center - spread) / (1 + z2 / trials))
    high = torch.where(k == N, 1.0, (center + spread) / (1 + z2 / trials))
    return low, high


@dataclass(frozen=True)
class Estimate:
    """A share that was estimated, such as an area under a curve, with its 95% interval.

    Attributes:
        rate: The value.
        low: Lower end of the interval; None if it is not known.
        high: Its upper end.
    """

    rate: float
    low: float | None = None
    high: float | None = None

    fraction = ""

    @property
    def text(self) -> str:
        """The value in percent."""
        return percent(self.rate)

    @property
    def interval(self) -> str:
        """The interval in percent; empty if it is not known."""
        if self.low is None or self.high is None:
            return ""
        return f"{percent(self.low)} to {percent(self.high)}"


@dataclass(frozen=True)
class Share:
    """A count out of a total.

    Attributes:
        count: Number of those that are so.
        total: Number of all.
    """

    count: int
    total: int

    @property
    def rate(self) -> float:
        """`count / total`; NaN where the total is 0."""
        return self.count / self.total if self.total else math.nan

    @property
    def text(self) -> str:
        """The share in percent."""
        return percent(self.rate)

    @property
    def fraction(self) -> str:
        """`count of total`."""
        return f"{self.count:,} of {self.total:,}"


@dataclass(frozen=True)
class Rate(Share):
    """A rate: `count` of `total` trials, with its 95% interval.

    Attributes:
        low: Lower end of the 95% Wilson interval; 0 without trials.
        high: Its upper end; 1 without trials.

    Example:
        >>> Rate.of(9, 10)
        Rate(count=9, total=10, low=0.596, high=0.982)
        >>> Rate.of(9, 10).text
        '90%'
    """

    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int, **more: Any) -> Self:
        """Computes the interval of `count` of `total`; `more` are fields of a subclass."""
        low, high = wilson(count, total)
        return cls(int(count), int(total), float(low), float(high), **more)

    @classmethod
    def sum(cls, rates: "Sequence[Rate]") -> "Rate":
        """Adds up counts and totals."""
        return Rate.of(sum(rate.count for rate in rates), sum(rate.total for rate in rates))

    def __repr__(self) -> str:
        return (
            f"Rate(count={self.count}, total={self.total}, low={self.low:.3g}, "
            f"high={self.high:.3g})"
        )

    @property
    def interval(self) -> str:
        """The interval in percent."""
        return f"{percent(self.low)} to {percent(self.high)}"
