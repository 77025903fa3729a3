"""The page of an audit."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mnemoscope.base.stats import Estimate, Rate
from mnemoscope.base.text import finite
from mnemoscope.report.charts import (
    OUTCOMES,
    SCORES,
    audit_charts,
    outside_view,
    recall_panels,
    threshold,
)
from mnemoscope.report.embedding import write_page
from mnemoscope.report.limits import meanings, untried
from mnemoscope.report.pictures import MAX_FRAMES, Drawing, drawing, frame_labels
from mnemoscope.results.audit import Audit, drawn_as_picture
from mnemoscope.results.finding import findings
from mnemoscope.results.summary import Measured, quantities
from mnemoscope.results.tables import SCHEMAS

MAX_EXAMPLES, MAX_ATTRACTORS, MAX_NOISE = 100, 120, 24
"""Examples, attractors and orbits from noise that the page shows."""

UNFOLDED = 24
"""Examples and attractors shown before a fold."""

MAX_CSV = 1_000_000
"""Bytes of CSV above which a table is listed, but not embedded."""


def write_report(audit: Audit, path: str | os.PathLike[str]) -> Path:
    """Writes the audit as one self-contained HTML file.

    The file contains pictures, charts with the code that draws them, and the tables as CSV. It
    fetches nothing, and its content policy allows only its own scripts to run.

    Args:
        audit: The audit.
        path: The file; its folder is created if it is missing.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the file cannot be written.
    """
    return write_page("audit.html.jinja", _sections(audit), path)


def _sections(audit: Audit) -> dict[str, Any]:
    summary, pictures = audit.summary, audit.pictures
    examples, orbits = pictures.get("examples"), pictures.get("recall_frames")
    shown, how = summary.recall_frames, _drawing(audit)
    steps = shown.steps if shown else ()
    return {
        "audit": audit,
        "summary": summary,
        "provenance": audit.provenance,
        "findings": findings(audit),
        "threshold": threshold(audit),
        "examples": strongest_first(audit.examples).head(MAX_EXAMPLES).to_dicts(),
        "header": [] if orbits is None else list(frame_labels(orbits.shape[1], steps).values()),
        "steps": steps,
        "recall_rates": recall_rates(audit),
        "attractors": largest_first(audit.attractors).head(MAX_ATTRACTORS).to_dicts(),
        "basins": {row["id"]: basin(row) for row in audit.attractors.iter_rows(named=True)},
        "noise": list(range(min(MAX_NOISE, len(pictures.get("noise_frames", ()))))),
        "starts": audit.starts.to_dicts(),
        "outcomes": OUTCOMES,
        "rate": Rate.of,
        "how": how,
        "pixels": examples is None or drawn_as_picture(examples.shape[1:]),
        "scaled_down": _scaled_down(audit, how),
        "charts": audit_charts(audit),
        "panels": recall_panels(audit.curves, summary.corruptions),
        "outside_view": outside_view(audit.spectra),
        "scores": SCORES,
        "measurements": list(quantities(Measured)),
        "meanings": meanings(audit),
        "untried": untried(audit),
        "tables": {name: table for name in SCHEMAS if (table := getattr(audit, name)).height},
        "csv": _csv,
        "unfolded": UNFOLDED,
    }


def strongest_first(examples: pl.DataFrame) -> pl.DataFrame:
    """Sorts stored ones first, then by recall rate (highest first) and spectral radius (lowest)."""
    recall, radius = (pl.col(name).fill_nan(None) for name in ("recall_rate", "spectral_radius"))
    keys = (pl.col("stored").fill_null(False), recall, radius, "index")
    return examples.sort(*keys, descending=[True, True, False, False], nulls_last=True)


def largest_first(attractors: pl.DataFrame) -> pl.DataFrame:
    """Sorts by basin, the largest first, then by id."""
    fraction = pl.col("basin_fraction").fill_nan(None)
    return attractors.sort(fraction, "id", descending=[True, False], nulls_last=True)


def basin(attractor: Mapping[str, Any]) -> Rate | Estimate | None:
    """Returns the basin fraction of a row of `Audit.attractors`, with its counts if it has any."""
    fraction, starts = finite(attractor["basin_fraction"]), attractor["starts"]
    if not fraction or not starts:
        ends = attractor["basin_low"], attractor["basin_high"]
        return None if fraction is None else Estimate(fraction, *ends)
    return Rate.of(starts, round(starts / fraction))


def recall_rates(audit: Audit) -> dict[int, Rate]:
    """Returns each example's recall rate at the corruption of `summary.recalled`."""
    recalled = audit.summary.recalled
    if recalled is None:
        return {}
    rows = audit.recall.filter(
        pl.col("corruption") == recalled.corruption,
        (pl.col("strength") - recalled.strength).abs() < 1e-9,
    )
    rates = rows.select("example", "recalled", "trials").iter_rows()
    return {example: Rate.of(count, total) for example, count, total in rates}


def _drawing(audit: Audit) -> Drawing:
    orbits = min(len(audit.pictures.get("noise_frames", ())), MAX_NOISE)
    orbits += min(audit.examples.height, MAX_EXAMPLES)
    attractors = min(audit.attractors.height, MAX_ATTRACTORS)
    return drawing(audit.pictures.get("examples"), orbits * (MAX_FRAMES + 1) + attractors)


def _scaled_down(audit: Audit, how: Drawing) -> str:
    examples = audit.pictures.get("examples")
    if examples is None or not drawn_as_picture(examples.shape[1:]):
        return ""
    height, width = examples.shape[-2:]
    if max(height, width) <= how.side:
        return ""
    return f"Pictures of {height} by {width} pixels are shown at {how.side} on the longer side."


def _csv(table: pl.DataFrame) -> tuple[int, str]:
    """Returns a table's size as CSV in kilobytes, and its data URI; empty if it is too large."""
    text = table.write_csv().encode()
    encoded = base64.b64encode(text).decode("ascii")
    uri = f"data:text/csv;charset=utf-8;base64,{encoded}" if len(text) <= MAX_CSV else ""
    return max(1, round(len(text) / 1000)), uri
