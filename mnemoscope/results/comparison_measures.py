"""The measures that two audits share, and the intervals of their differences.

The interval of a difference of two rates is computed from their Wilson intervals (R. G. Newcombe,
*Interval estimation for the difference between independent proportions*, Statistics in Medicine 17,
873–890, 1998, method 10), which assumes that the rates are independent. Audits of the same examples
or from the same starts are positively correlated, so that the interval is conservative. Copies of
one example are correlated, so that intervals of `recalled` are too narrow, as Wilson's are.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mnemoscope.base.labels import CorruptionLabel, corruption_label
from mnemoscope.base.stats import Rate
from mnemoscope.results.audit import Audit
from mnemoscope.results.facts import WITH_DATA
from mnemoscope.results.summary import QUANTITIES, Score
from mnemoscope.results.tables import NOISE

MEASURES: dict[str, pl.DataType] = {
    "measure": pl.String(),
    "kind": pl.String(),
    "main": pl.Boolean(),
    "before": pl.Float64(),
    "after": pl.Float64(),
    "difference": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "clear": pl.Boolean(),
    "before_count": pl.Int64(),
    "before_total": pl.Int64(),
    "before_low": pl.Float64(),
    "before_high": pl.Float64(),
    "after_count": pl.Int64(),
    "after_total": pl.Int64(),
    "after_low": pl.Float64(),
    "after_high": pl.Float64(),
}
"""A row for each measure. `kind` is `rate`, `area` (under a curve), `count` or `number`; a `main`
one measures how much is memorized, and decides what is worse. `low` and `high` are the interval of
the difference, after minus before; it is `clear` if the interval excludes 0."""

STORED, DISCLOSED, CERTIFIED = (
    QUANTITIES[name].label for name in ("stored", "disclosed", "certified")
)
RECALLED = "recalled: "
FROM_NOISE = "starts from noise that end at an example"
AREA = "membership: area under the curve, best score"

SAME = ("name", "examples", "match_tol", "interpolated", "loss", "recalled", "reached")
"""Fields of a summary that are compared elsewhere, or with each start and corruption."""


def difference_interval(
    before: tuple[float, float, float], after: tuple[float, float, float]
) -> tuple[float, float]:
    """Computes the 95% interval of a difference, after minus before, from both intervals.

    `d - √((p₂ - l₂)² + (u₁ - p₁)²)` to `d + √((u₂ - p₂)² + (p₁ - l₁)²)` with `d = p₂ - p₁`: for
    proportions with Wilson's intervals this is Newcombe's method 10; for any two independent
    estimates, G. Y. Zou & A. Donner, Statistics in Medicine 27, 1693–1702, 2008.

    Args:
        before: The value `p₁` and its interval, `l₁` and `u₁`.
        after: The value `p₂` and its interval.

    Example:
        >>> low, high = difference_interval((0.0, 0.0, 0.5), (1.0, 0.5, 1.0))
        >>> round(low, 4), high
        (0.2929, 1.0)
    """
    (p1, l1, u1), (p2, l2, u2) = before, after
    d = p2 - p1
    return d - math.hypot(p2 - l2, u1 - p1), d + math.hypot(u2 - p2, p1 - l1)


@dataclass(frozen=True)
class _Value:
    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None
    total: int | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


def measures_table(before: Audit, after: Audit) -> pl.DataFrame:
    """A row for each measure that both audits have: `MEASURES`."""
    labels = (*after.summary.corruptions, *before.summary.corruptions)
    first, second = (dict(_measured(audit, labels)) for audit in (before, after))
    main = {quantity.label for quantity in QUANTITIES.values() if quantity.main}
    main |= {FROM_NOISE, recalled_from(*NOISE, labels), AREA}
    rows = []
    for name in first:
        if name not in second:
            continue
        (kind, a), (_, b) = first[name], second[name]
        low = high = None
        if a.interval and b.interval:
            low, high = difference_interval((a.value, *a.interval), (b.value, *b.interval))
        rows.append(
            {
                "measure": name,
                "kind": kind,
                "main": name in main,
                "difference": b.value - a.value,
                "low": low,
                "high": high,
                "clear": None if low is None or high is None else low > 0 or high < 0,
                "before": a.value,
                "after": b.value,
                **{f"before_{key}": value for key, value in vars(a).items() if key != "value"},
                **{f"after_{key}": value for key, value in vars(b).items() if key != "value"},
            }
        )
    return pl.DataFrame(rows, schema=MEASURES)


def recalled_from(corruption: str, strength: float, labels: Sequence[CorruptionLabel]) -> str:
    """Names the measure: copies that came back from a corruption."""
    return f"{RECALLED}{corruption_label(corruption, labels).describe(strength)}"


def _measured(
    audit: Audit, labels: Sequence[CorruptionLabel]
) -> Iterator[tuple[str, tuple[str, _Value]]]:
    summary = audit.summary
    noise = audit.starts.filter(~pl.col("kind").is_in(WITH_DATA))
    at_examples = Rate.of(int(noise["at_examples"].sum()), int(noise["starts"].sum()))
    yield from _value(FROM_NOISE, at_examples)
    yield QUANTITIES["reached"].label, ("count", _Value(summary.reached.count))
    for row in audit.curves.iter_rows(named=True):
        rate = Rate.of(row["recalled"], row["trials"])
        yield from _value(recalled_from(row["corruption"], row["strength"], labels), rate)
    if summary.membership is not None:
        yield from _scores(summary.membership.scores.known())
    for name, quantity in QUANTITIES.items():
        if name not in SAME:
            yield from _value(quantity.label, getattr(summary, name))


def _value(name: str, value: Rate | float | None) -> Iterator[tuple[str, tuple[str, _Value]]]:
    if isinstance(value, Rate):
        if value.total:
            known = _Value(value.rate, value.low, value.high, value.count, value.total)
            yield name, ("rate", known)
    elif value is not None:
        yield name, ("count" if isinstance(value, int) else "number", _Value(value))


def _scores(scores: Mapping[str, Score]) -> Iterator[tuple[str, tuple[str, _Value]]]:
    areas = {
        name: _Value(score.auc, score.auc_low, score.auc_high)
        for name, score in scores.items()
        if score.auc is not None
    }
    if areas:
        yield AREA, ("area", max(areas.values(), key=lambda area: area.value))
    for name, area in areas.items():
        yield f"membership: area under the curve, {name.replace('_', ' ')}", ("area", area)
