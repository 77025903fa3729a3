"""Two audits side by side: before and after a mitigation.

Rates are over all examples of each audit; examples that are in both are also compared one by one.

The interval of a difference of two rates is computed from their Wilson intervals (R. G. Newcombe,
*Interval estimation for the difference between independent proportions*, Statistics in Medicine 17,
873–890, 1998, method 10), which assumes that the rates are independent. Audits of the same examples
or from the same starts are positively correlated, so that the interval is conservative. Copies of
one example are correlated, so that intervals of `recalled` are too narrow, as Wilson's are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl
import torch
from torch import Tensor

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

EXAMPLES: dict[str, pl.DataType] = {
    "index": pl.Int64(),
    "index_after": pl.Int64(),
    "change": pl.String(),
    "stored_before": pl.Boolean(),
    "stored_after": pl.Boolean(),
    "recall_before": pl.Float64(),
    "recall_after": pl.Float64(),
    "spectral_radius_before": pl.Float64(),
    "spectral_radius_after": pl.Float64(),
    "attractor_before": pl.Int64(),
    "attractor_after": pl.Int64(),
}
"""A row for each example that both audits are of; `change` is one of `CHANGES`."""

WHEN = ("before", "after")

CHANGES = {
    (True, False): "no longer stored",
    (False, True): "newly stored",
    (True, True): "stored in both",
    (False, False): "stored in neither",
}
"""The change of an example, by whether it was stored before and after."""

PASSING = ("seconds", "history", "versions", "loss", "steps", "converged", "data_checksum")
"""Entries of a training record that are results, not settings."""

ALIKE = ("mnemoscope", "torch", "python", "platform")
"""Versions whose difference is reported."""


@dataclass(frozen=True)
class Comparison:
    """Two audits side by side.

    Attributes:
        before: The first audit.
        after: The second.
        table: A row for each measure that both have: `MEASURES`.
        examples: A row for each example that both are of: `EXAMPLES`.
        same_data: Whether both are of the same training examples in the same order.
        warnings: Other differences that may explain the results, in a sentence each.
        changes: Settings of the network and its training that differ: before, after.
    """

    before: Audit
    after: Audit
    table: pl.DataFrame
    examples: pl.DataFrame
    same_data: bool
    warnings: tuple[str, ...]
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def corruptions(self) -> tuple[CorruptionLabel, ...]:
        """The labels of the corruptions of both."""
        return (*self.after.summary.corruptions, *self.before.summary.corruptions)

    @cached_property
    def worse(self) -> tuple[str, ...]:
        """The main measures that rose: clearly, or by any amount if the examples are the same."""
        rows = self.table.filter(
            pl.col("main")
            & (
                (pl.col("clear") & (pl.col("difference") > 0))
                | (
                    pl.lit(self.same_data)
                    & pl.col("measure").is_in([STORED, DISCLOSED, CERTIFIED])
                    & (pl.col("difference") > 0)
                )
            )
        )
        return tuple(rows["measure"])

    @cached_property
    def verdict(self) -> str:
        """The change of the stored examples, in one sentence."""
        rows = self.table.filter(pl.col("measure") == STORED).to_dicts()
        if not rows:
            return "The audits do not both report how many examples are stored."
        (row,) = rows
        ratios = [f"{row[f'{when}_count']:,} of {row[f'{when}_total']:,}" for when in WHEN]
        if row["difference"] == 0:
            text = f"As many training examples are stored after as before: {ratios[1]}"
        else:
            fewer = row["difference"] < 0
            if row["before_total"] == row["after_total"]:
                text = f"{'Fewer' if fewer else 'More'} training examples are stored"
            else:
                text = f"A {'smaller' if fewer else 'larger'} share of training examples is stored"
            text += f" after ({ratios[1]}) than before ({ratios[0]})"
            if not row["clear"]:
                text += ", a difference that may be due to chance"
        new = self.examples.filter(pl.col("change") == CHANGES[False, True]).height
        if new and row["difference"] <= 0:
            text += f"; {new:,} that {'was' if new == 1 else 'were'} not stored before "
            text += "is now" if new == 1 else "are now"
        return text + "."


def compare(before: Audit, after: Audit) -> Comparison:
    """Compares two audits.

    Examples are matched by their index if both audits are of the same data, else by equality of
    their entries; an example in only one of them is omitted, and a warning states how many are.

    Example:
        >>> import torch, mnemoscope as mn
        >>> X = torch.tensor([[0.2, 0.8]])
        >>> a = mn.audit(lambda z: 0.5 * (z + X), X, starts=20, trials=2)
        >>> b = mn.audit(lambda z: z, X, starts=20, trials=2)
        >>> compare(a, b).examples["change"].to_list()
        ['no longer stored']
    """
    checksums = [audit.provenance.get("data_checksum") for audit in (before, after)]
    by_index = [(index, index) for index in range(before.examples.height)]
    known = checksums[0] is not None and checksums[0] == checksums[1]
    pairs = by_index if known else _same_entries(before, after)
    # The data may be equal in another dtype, or an audit may lack the checksum.
    same = pairs == by_index and before.examples.height == after.examples.height
    warnings = [] if same else [_data_differ(before, after, len(pairs))]
    return Comparison(
        before=before,
        after=after,
        table=measures_table(before, after),
        examples=_examples(before, after, pairs),
        same_data=same,
        warnings=(*warnings, *_settings_differ(before, after)),
        changes=_changes(before, after),
    )


def _same_entries(before: Audit, after: Audit) -> list[tuple[int, int]]:
    """Pairs the indices of equal examples, each index once."""
    waiting: dict[bytes, list[int]] = {}
    for index, state in enumerate(_states(after)):
        waiting.setdefault(_entries(state), []).append(index)
    pairs = []
    for index, state in enumerate(_states(before)):
        candidates = waiting.get(_entries(state))
        if candidates:
            pairs.append((index, candidates.pop(0)))
    return pairs


def _states(audit: Audit) -> Tensor:
    states = audit.pictures.get("examples")
    return torch.empty(0) if states is None else states[: audit.examples.height]


def _entries(state: Tensor) -> bytes:
    return str(tuple(state.shape)).encode() + state.float().contiguous().numpy().tobytes()


def _examples(before: Audit, after: Audit, pairs: list[tuple[int, int]]) -> pl.DataFrame:
    if not pairs:
        return pl.DataFrame(schema=EXAMPLES)
    columns = ("stored", "recall_rate", "spectral_radius", "attractor")
    sides = [
        audit.examples.select(columns)[[pair[side] for pair in pairs]].rename(
            {name: f"{name.removesuffix('_rate')}_{WHEN[side]}" for name in columns}
        )
        for side, audit in enumerate((before, after))
    ]
    rows = pl.concat(sides, how="horizontal").with_columns(
        index=pl.Series([a for a, _ in pairs]), index_after=pl.Series([b for _, b in pairs])
    )
    change = [
        CHANGES[a, b] for a, b in zip(rows["stored_before"], rows["stored_after"], strict=True)
    ]
    return rows.with_columns(change=pl.Series(change)).select(list(EXAMPLES)).cast(EXAMPLES)  # pyright: ignore[reportArgumentType]


def _data_differ(before: Audit, after: Audit, common: int) -> str:
    totals = " and ".join(f"{audit.examples.height:,}" for audit in (before, after))
    return (
        f"The audits are of different training examples: {totals}, {common:,} of them in both. "
        "Rates are over all examples of each; only those in both are compared one by one."
    )


def _settings_differ(before: Audit, after: Audit) -> list[str]:
    sides = [
        {
            **(audit.provenance.get("settings") or {}),
            "seed": audit.provenance.get("seed"),
            "black box": audit.summary.black_box,
            **{name: (audit.provenance.get("versions") or {}).get(name) for name in ALIKE},
        }
        for audit in (before, after)
    ]
    names = _differing(*sides)
    if not names:
        return []
    text = ", ".join(_change(name, *values) for name, values in names.items())
    return [f"The audits were made with different settings, which may explain differences: {text}."]


def _change(name: str, before: Any, after: Any) -> str:
    words = name.replace("_", " ")
    # A list of corruptions and strengths is too long for a sentence.
    if any(isinstance(value, Mapping | list) for value in (before, after)):
        return words
    return f"{words} ({_brief(before)} before, {_brief(after)} after)"


def _changes(before: Audit, after: Audit) -> dict[str, tuple[Any, Any]]:
    sides = [
        {
            **{f"spec: {name}": v for name, v in (audit.provenance.get("spec") or {}).items()},
            **{
                f"training: {name}": v
                for name, v in (audit.provenance.get("training") or {}).items()
                if name not in PASSING
            },
        }
        for audit in (before, after)
    ]
    return _differing(*sides)


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*a, *(name for name in b if name not in a)]
    return {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}


def _brief(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


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
