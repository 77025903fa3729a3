"""Rates with their intervals, and means with theirs."""

import math
from dataclasses import dataclass
from typing import Any

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
class Rate:
    """A rate: `count` of `total`, with its 95% interval.

    Attributes:
        count: Number of trials that came out so.
        total: Number of trials.
        low: Lower end of the 95% Wilson interval; 0 without trials.
        high: Its upper end; 1 without trials.

    Example:
        >>> Rate.of(9, 10)
        Rate(count=9, total=10, low=0.596, high=0.982)
        >>> Rate.of(9, 10).text
        '90%'
    """

    count: int
    total: int
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> "Rate":
        """Computes the interval of `count` of `total`."""
        low, high = wilson(count, total)
        return cls(int(count), int(total), float(low), float(high))

    def __repr__(self) -> str:
        return (
            f"Rate(count={self.count}, total={self.total}, low={self.low:.3g}, "
            f"high={self.high:.3g})"
        )

    @property
    def rate(self) -> float:
        """`count / total`; NaN without trials."""
        return self.count / self.total if self.total else math.nan

    @property
    def text(self) -> str:
        """The rate in percent."""
        return percent(self.rate)

    @property
    def interval(self) -> str:
        """The interval in percent."""
        return f"{percent(self.low)} to {percent(self.high)}"

    @property
    def fraction(self) -> str:
        """`count of total`."""
        return f"{self.count:,} of {self.total:,}"


def rate_columns(
    count: Num[Tensor, " n"], total: Num[Tensor, " n"] | int, prefix: str = ""
) -> dict[str, Any]:
    """Computes the columns `rate`, `low` and `high` of a table of rates, as NumPy arrays."""
    low, high = wilson(count, total)
    rate = torch.as_tensor(count, dtype=torch.float64) / total
    columns = {"rate": rate, "low": low, "high": high}
    return {f"{prefix}{name}": values.cpu().numpy() for name, values in columns.items()}
