"""Two audits side by side as one HTML file that opens with no network."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from mnemoscope.base.files import replacing
from mnemoscope.base.stats import Estimate
from mnemoscope.base.text import finite, number, pretty
from mnemoscope.report.charts.comparison import SIDES, recall_change_panels
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.report.page import Figure
from mnemoscope.report.pictures import Drawing, Picture, drawing, picture
from mnemoscope.report.words import corruption_name
from mnemoscope.results.audit import Audit
from mnemoscope.results.comparison import CHANGES, Comparison
from mnemoscope.results.pictures import drawn_as_picture

MOST_ROWS = 60
"""Changed examples that are shown, of either kind of change."""

CHANGED = (CHANGES[True, False], CHANGES[False, True])
"""What is shown with pictures: examples that are no longer stored, and newly stored ones."""


@dataclass(frozen=True)
class MeasureRow:
    """A measure as the page shows it.

    Attributes:
        name: What is measured.
        before: The value before, in words.
        after: The value after.
        rates: Both as rates, where they are.
        difference: After minus before.
        interval: The 95% interval of the difference, or an empty string.
        significance: `clear`, `within chance`, or an empty string where there is no interval.
    """

    name: str
    before: str
    after: str
    rates: tuple[Estimate | None, Estimate | None]
    difference: str
    interval: str
    significance: str


@dataclass(frozen=True)
class ChangedRow:
    """An example that was stored in one audit only.

    Attributes:
        index: Its place among the examples before.
        index_after: Its place among those after.
        picture: The example.
        ends: Where its own orbit ended, before and after; None where at no attractor.
        radius: The spectral radius at the example, before and after.
        recall: Its recall rate, before and after.
    """

    index: int
    index_after: int
    picture: Picture | None
    ends: tuple[Picture | None, Picture | None]
    radius: tuple[float | None, float | None]
    recall: tuple[Estimate | None, Estimate | None]


def write_comparison_page(comparison: Comparison, path: str | os.PathLike[str]) -> Path:
    """Writes the comparison as one self-contained HTML file.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    env = environment()
    env.filters.update(number=number, pretty=pretty)
    audits = {"before": comparison.before, "after": comparison.after}
    how = _drawing(comparison)
    changed = {change: _changed(comparison, change, how) for change in CHANGED}
    rows = measure_rows(comparison.table)
    main = set(comparison.table.filter("main")["measure"])
    panels = recall_change_panels(comparison.before.curves, comparison.after.curves)
    examples = comparison.before.pictures.get("examples")
    text = env.get_template("comparison.html.jinja").render(
        style=Markup(source(env, "page.css")),
        script=Markup(source(env, "charts.js")),
        verdict=comparison.verdict,
        warnings=comparison.warnings,
        audits=audits,
        sides=SIDES,
        main=[row for row in rows if row.name in main],
        others=[row for row in rows if row.name not in main],
        worse=comparison.worse,
        recall=[
            Figure(
                f"recall-{place}",
                f"Recall before and after against {corruption_name(corruption)}",
                safe_json(page_spec(chart)),
            )
            for place, (corruption, chart) in enumerate(panels.items())
        ],
        changed={change: shown[:MOST_ROWS] for change, shown in changed.items()},
        changed_total={
            change: comparison.examples.filter(pl.col("change") == change).height
            for change in CHANGED
        },
        counts={
            change: count
            for change in CHANGES.values()
            if (count := int((comparison.examples["change"] == change).sum()))
        },
        pixels=examples is None or drawn_as_picture(examples.shape[1:]),
        changes=comparison.changes,
    )
    with replacing(path) as temporary:
        # The name of a file need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def measure_rows(table: pl.DataFrame) -> list[MeasureRow]:
    """The rows of `Comparison.table` in words."""
    return [
        MeasureRow(
            name=row["measure"],
            before=_value(row, "before"),
            after=_value(row, "after"),
            rates=(_rate(row, "before"), _rate(row, "after")),
            difference=_difference(row["difference"], row["kind"]),
            interval=""
            if row["low"] is None
            else f"{_difference(row['low'], row['kind'])} to "
            f"{_difference(row['high'], row['kind'])}",
            significance={None: "", True: "clear", False: "within chance"}[row["clear"]],
        )
        for row in table.iter_rows(named=True)
    ]


def _rate(row: dict[str, Any], side: str) -> Estimate | None:
    if row["kind"] not in ("rate", "area"):
        return None
    return Estimate(row[side], row[f"{side}_low"], row[f"{side}_high"])


def _value(row: dict[str, Any], side: str) -> str:
    if row["kind"] == "rate":
        return f"{row[f'{side}_count']:,} of {row[f'{side}_total']:,}"
    return f"{row[side]:.2f}" if row["kind"] == "area" else number(row[side])


def _difference(value: float, kind: str) -> str:
    """A difference with its sign; of rates in percentage points."""
    if kind in ("rate", "area"):
        text = f"{100 * value:+.1f}" if kind == "rate" else f"{value:+.2f}"
        return "0" if float(text) == 0 else text.replace("-", "−")
    return f"{'+' if value > 0 else ''}{number(value)}"


def _drawing(comparison: Comparison) -> Drawing:
    shown = comparison.examples.filter(pl.col("change").is_in(CHANGED)).height
    return drawing(comparison.before.pictures.get("examples"), 3 * min(shown, 2 * MOST_ROWS))


def _changed(comparison: Comparison, change: str, how: Drawing) -> list[ChangedRow]:
    rows = comparison.examples.filter(pl.col("change") == change).head(MOST_ROWS)
    return [
        ChangedRow(
            index=row["index"],
            index_after=row["index_after"],
            picture=_state(comparison.before, "examples", row["index"], how),
            ends=(
                _state(comparison.before, "attractors", row["attractor_before"], how),
                _state(comparison.after, "attractors", row["attractor_after"], how),
            ),
            radius=(row["spectral_radius_before"], row["spectral_radius_after"]),
            recall=(
                _recall(comparison.before, row["index"]),
                _recall(comparison.after, row["index_after"]),
            ),
        )
        for row in rows.iter_rows(named=True)
    ]


def _state(audit: Audit, name: str, place: int | None, how: Drawing) -> Picture | None:
    states = audit.pictures.get(name)
    if states is None or place is None or not 0 <= place < len(states):
        return None
    return picture(states[place], how)


def _recall(audit: Audit, index: int) -> Estimate | None:
    row = audit.examples.row(index, named=True)
    if finite(row["recall_rate"]) is None:
        return None
    return Estimate(row["recall_rate"], row["recall_low"], row["recall_high"])
