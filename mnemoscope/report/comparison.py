"""The page of two audits, before and after."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mnemoscope.base.labels import corruption_label
from mnemoscope.base.stats import Estimate
from mnemoscope.base.text import finite, number
from mnemoscope.report.charts import recall_panels
from mnemoscope.report.embedding import write_page
from mnemoscope.report.pictures import drawing
from mnemoscope.results.audit import Audit, drawn_as_picture
from mnemoscope.results.comparison import CHANGES, Comparison

MAX_ROWS = 60
"""Changed examples that are shown, of either kind of change."""

CHANGED = (CHANGES[True, False], CHANGES[False, True])
"""The changes that are shown with pictures: no longer stored, and newly stored."""


@dataclass(frozen=True)
class MeasureRow:
    """A measure in words; a difference without an interval has empty words for it."""

    name: str
    before: str
    after: str
    rates: tuple[Estimate | None, Estimate | None]
    difference: str
    interval: str
    significance: str


def write_comparison_page(comparison: Comparison, path: str | os.PathLike[str]) -> Path:
    """Writes the comparison as one self-contained HTML file.

    Args:
        comparison: What `mnemoscope.results.compare` returned.
        path: The file.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    before, table = comparison.before, comparison.examples
    sides = {"before": before, "after": comparison.after}
    examples, labels = before.pictures.get("examples"), comparison.corruptions
    by_change = {change: table.filter(pl.col("change") == change) for change in CHANGES.values()}
    counts = {change: rows.height for change, rows in by_change.items() if rows.height}
    total = sum(counts.get(change, 0) for change in CHANGED)
    main = set(comparison.table.filter("main")["measure"])
    rows = measure_rows(comparison.table)
    curves = pl.concat(
        audit.curves.with_columns(audit=pl.lit(side)) for side, audit in sides.items()
    )
    sections = {
        "comparison": comparison,
        "sides": sides,
        "main": [row for row in rows if row.name in main],
        "others": [row for row in rows if row.name not in main],
        "recall": recall_panels(curves, labels),
        "label": lambda corruption: corruption_label(corruption, labels),
        "recalled": _recalled,
        "changed": {change: by_change[change].head(MAX_ROWS).to_dicts() for change in CHANGED},
        "counts": counts,
        "how": drawing(examples, 3 * min(total, 2 * MAX_ROWS)),
        "pixels": examples is None or drawn_as_picture(examples.shape[1:]),
    }
    return write_page("comparison.html.jinja", sections, path)


def measure_rows(table: pl.DataFrame) -> list[MeasureRow]:
    """Returns the rows of `Comparison.table` in words."""
    return [_in_words(row, row["kind"]) for row in table.iter_rows(named=True)]


def _in_words(row: dict[str, Any], kind: str) -> MeasureRow:
    difference, *ends = (
        "" if row[name] is None else _signed(row[name], kind)
        for name in ("difference", "low", "high")
    )
    return MeasureRow(
        name=row["measure"],
        before=_value(row, "before"),
        after=_value(row, "after"),
        rates=(_rate(row, "before"), _rate(row, "after")),
        difference=difference,
        interval=" to ".join(filter(None, ends)),
        significance={None: "", True: "clear", False: "within chance"}[row["clear"]],
    )


def _rate(row: dict[str, Any], side: str) -> Estimate | None:
    if row["kind"] not in ("rate", "area"):
        return None
    return Estimate(row[side], row[f"{side}_low"], row[f"{side}_high"])


def _value(row: dict[str, Any], side: str) -> str:
    if row["kind"] == "rate":
        return f"{row[f'{side}_count']:,} of {row[f'{side}_total']:,}"
    return f"{row[side]:.2f}" if row["kind"] == "area" else number(row[side])


def _signed(value: float, kind: str) -> str:
    """Formats a difference with its sign; of rates in percentage points."""
    if kind in ("rate", "area"):
        text = f"{100 * value:+.1f}" if kind == "rate" else f"{value:+.2f}"
        return "0" if float(text) == 0 else text.replace("-", "−")
    return f"{'+' if value > 0 else ''}{number(value)}"


def _recalled(audit: Audit, index: int) -> Estimate | None:
    row = audit.examples.row(index, named=True)
    if finite(row["recall_rate"]) is None:
        return None
    return Estimate(row["recall_rate"], row["recall_low"], row["recall_high"])
