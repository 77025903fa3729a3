"""The measures that two audits share, and the intervals of their differences.

The interval of a difference of two rates is computed from their Wilson intervals (R. G. Newcombe,
*Interval estimation for the difference between independent proportions*, Statistics in Medicine 17,
873–890, 1998, method 10), which assumes that the rates are independent. Audits of the same examples
or from the same starts are positively correlated, so that the interval is conservative. Copies of
one example are correlated, so that intervals of `recalled` are too narrow, as Wilson's are.
"""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from mnemoscope.base.labels import CorruptionLabel, corruption_label
from mnemoscope.base.stats import Estimate, Rate
from mnemoscope.results.audit import Audit
from mnemoscope.results.facts import WITH_DATA
from mnemoscope.results.summary import QUANTITIES
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

Value = Rate | Estimate | int | float

KINDS = {"rate": Rate, "area": Estimate, "count": int, "number": float}
"""The kind of a measure by the type of its value."""

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


def measures_table(before: Audit, after: Audit) -> pl.DataFrame:
    """Returns a row for each measure that both audits have: `MEASURES`."""
    labels = (*after.summary.corruptions, *before.summary.corruptions)
    first, second = _measured(before, labels), _measured(after, labels)
    main = {quantity.label for quantity in QUANTITIES.values() if quantity.main}
    main |= {FROM_NOISE, recalled_from(*NOISE, labels), AREA}
    rows = [
        {"measure": name, "main": name in main, **_difference(value, second[name])}
        for name, value in first.items()
        if name in second
    ]
    return pl.DataFrame(rows, schema=MEASURES)


def _difference(before: Value, after: Value) -> dict[str, Any]:
    kind = next(kind for kind, known in KINDS.items() if isinstance(before, known))
    a, b = _numbers(before), _numbers(after)
    low = high = None
    # A count, or an area whose interval is not known, has none.
    known = [one for one in (a, b) if one.get("_low") is not None]
    if len(known) == 2:
        low, high = difference_interval(*((one[""], one["_low"], one["_high"]) for one in known))
    return {
        "kind": kind,
        "difference": b[""] - a[""],
        "low": low,
        "high": high,
        "clear": None if low is None or high is None else low > 0 or high < 0,
        **{f"before{name}": number for name, number in a.items()},
        **{f"after{name}": number for name, number in b.items()},
    }


def _numbers(value: Value) -> dict[str, Any]:
    """Returns a value, its interval and its counts, by the ends of their columns."""
    if isinstance(value, int | float):
        return {"": value}
    numbers = {"": value.rate, "_low": value.low, "_high": value.high}
    if isinstance(value, Rate):
        numbers |= {"_count": value.count, "_total": value.total}
    return numbers


def recalled_from(corruption: str, strength: float, labels: Sequence[CorruptionLabel]) -> str:
    """Names the measure: copies that came back from a corruption."""
    return f"{RECALLED}{corruption_label(corruption, labels).describe(strength)}"


def _measured(audit: Audit, labels: Sequence[CorruptionLabel]) -> dict[str, Value]:
    """Returns the measures of an audit by name, without those that it does not have."""
    summary = audit.summary
    noise = audit.starts.filter(~pl.col("kind").is_in(WITH_DATA))
    values: dict[str, Value | None] = {
        FROM_NOISE: Rate.of(int(noise["at_examples"].sum()), int(noise["starts"].sum())),
        QUANTITIES["reached"].label: summary.reached.count,
    }
    for row in audit.curves.iter_rows(named=True):
        name = recalled_from(row["corruption"], row["strength"], labels)
        values[name] = Rate.of(row["recalled"], row["trials"])
    scores = summary.membership.scores.known() if summary.membership else {}
    areas = {
        f"membership: area under the curve, {name.replace('_', ' ')}": Estimate(
            score.auc, score.auc_low, score.auc_high
        )
        for name, score in scores.items()
        if score.auc is not None
    }
    values[AREA] = max(areas.values(), key=lambda area: area.rate, default=None)
    values |= areas
    for name, quantity in QUANTITIES.items():
        if name not in SAME:
            values[quantity.label] = getattr(summary, name)
    return {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, Rate) and not value.total)
    }
