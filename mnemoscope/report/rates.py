"""A rate as the page shows it: never alone, with its count, total and interval."""

from dataclasses import dataclass
from typing import Any

from mnemoscope.base.stats import wilson
from mnemoscope.base.text import finite, percent


@dataclass(frozen=True)
class Rate:
    """A rate with what it was made from.

    Attributes:
        value: Between 0 and 1.
        low: Lower end of the 95% Wilson interval, if known.
        high: Its upper end.
        count: How often it happened, if known.
        total: How often it was tried, if known.
    """

    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None
    total: int | None = None

    @property
    def text(self) -> str:
        """The rate in percent."""
        return percent(self.value)

    @property
    def interval(self) -> str:
        """The interval in percent, or an empty string."""
        if self.low is None or self.high is None:
            return ""
        return f"{percent(self.low)} to {percent(self.high)}"

    @property
    def fraction(self) -> str:
        """`count of total`, or an empty string."""
        if self.count is None or self.total is None:
            return ""
        return f"{self.count:,} of {self.total:,}"


def rate_of_count(count: int, total: int) -> Rate | None:
    """The rate of a count with its Wilson interval; None if nothing was tried."""
    if total <= 0:
        return None
    low, high = (float(end) for end in wilson(count, total))
    return Rate(count / total, low, high, count, total)


def rate_of_summary(entry: dict[str, Any] | None) -> Rate | None:
    """The rate that a summary's `{count, total}` tells; None if it is missing or empty."""
    if not entry or not entry.get("total"):
        return None
    return rate_of_count(int(entry["count"]), int(entry["total"]))


def rate_of_columns(
    value: Any, low: Any, high: Any, *, count: int | None = None, total: int | None = None
) -> Rate | None:
    """The rate that a table's columns tell; None if the rate itself is missing or not a number."""
    known = finite(value)
    if known is None:
        return None
    return Rate(known, finite(low), finite(high), count, total)
