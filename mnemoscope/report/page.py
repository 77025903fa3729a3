"""The audit as one HTML file that opens with no network."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from altair.typing import ChartType
from markupsafe import Markup

from mnemoscope.base.files import replacing
from mnemoscope.base.labels import start_label
from mnemoscope.base.stats import Rate
from mnemoscope.base.text import number, percent, pretty, setting
from mnemoscope.report.attractors import MOST_CARDS, attractor_cards, attractor_counts
from mnemoscope.report.charts import audit_charts
from mnemoscope.report.charts.recall import recall_panels
from mnemoscope.report.charts.spectrum import outside_view
from mnemoscope.report.downloads import downloads
from mnemoscope.report.embedding import environment, page_spec, safe_json, source
from mnemoscope.report.examples import MOST_ROWS, example_rows
from mnemoscope.report.frames import MOST_FRAMES, frame_labels
from mnemoscope.report.key_figures import interpolation_threshold, key_figures
from mnemoscope.report.limits import meanings, untried
from mnemoscope.report.noise import MOST_ROWS as MOST_NOISE_ROWS
from mnemoscope.report.noise import noise_rows
from mnemoscope.report.pictures import Drawing, drawing
from mnemoscope.report.specificity import control_rows, score_rows
from mnemoscope.report.words import OUTCOMES, corruption_name, strength_name
from mnemoscope.results.audit import Audit
from mnemoscope.results.findings import findings
from mnemoscope.results.pictures import drawn_as_picture
from mnemoscope.results.summary import RecallFrames, RecallRate

UNFOLDED = 24
"""Rows of examples and cards of attractors shown before a fold."""


@dataclass(frozen=True)
class Figure:
    """A chart in the page.

    Attributes:
        name: Unique within the page.
        words: What it shows, for those who do not see it.
        spec: Its specification as safe JSON.
        keeps_shape: Whether its width and height must stay in proportion.
    """

    name: str
    words: str
    spec: Markup
    keeps_shape: bool = False


def write_report(audit: Audit, path: str | os.PathLike[str]) -> Path:
    """Writes the audit as one self-contained HTML file.

    Everything is inside: pictures, charts and the code that draws them, the tables as CSV. The
    page fetches nothing, and its content policy lets only its own scripts run.

    Args:
        audit: The audit.
        path: The file; its folder is made if it is missing.

    Returns:
        The path.

    Raises:
        MnemoscopeError: the folder cannot be made or written to.
    """
    env = environment()
    env.filters.update(
        number=number, percent=percent, setting=setting, pretty=pretty, start_name=start_label
    )
    text = env.get_template("page.html.jinja").render(
        style=Markup(source(env, "page.css")),
        script=Markup(source(env, "charts.js")),
        **_contents(audit),
    )
    with replacing(path) as temporary:
        # The name of a file need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def _contents(audit: Audit) -> dict[str, Any]:
    how = _drawing(audit)
    summary = audit.summary
    charts = audit_charts(audit)
    recall_steps = summary.recall_frames.steps if summary.recall_frames else ()
    orbits = audit.pictures.get("recall_frames")
    return {
        "summary": summary,
        "verdict": audit.verdict,
        "provenance": audit.provenance,
        "examples_total": audit.examples.height,
        "key_figures": key_figures(audit),
        "findings": findings(audit),
        "scores": score_rows(audit),
        "membership": _figure(charts, "membership", "ROC curves of scores for membership"),
        "controls": control_rows(audit),
        "untrained_missing": summary.controls.untrained_missing if summary.controls else None,
        "examples": example_rows(audit, how),
        "example_header": (
            list(frame_labels(orbits.shape[1], recall_steps).values())
            if orbits is not None and orbits.ndim > 1
            else []
        ),
        "recall_words": _corruption_words(summary.recall_frames),
        "rate_words": _corruption_words(summary.recalled),
        "noise": noise_rows(audit, how),
        "noise_total": len(audit.pictures.get("noise_frames", ())),
        "attractors": attractor_cards(audit, how),
        "attractors_total": audit.attractors.height,
        "attractor_counts": attractor_counts(audit.attractors),
        "threshold": interpolation_threshold(audit),
        "spectrum": _figure(charts, "spectrum", "Eigenvalues in the complex plane", True),
        "outside_view": outside_view(audit.spectra),
        "recall": [
            Figure(f"recall-{place}", f"Recall rate against {corruption}", _spec(chart))
            for place, (corruption, chart) in enumerate(recall_panels(audit.curves).items())
        ],
        "basins": _figure(charts, "basins", "Where orbits ended, by distribution of starts"),
        "starts": _starts(audit.starts),
        "plane": _figure(charts, "plane", "Map of basins on a plane through three examples", True),
        "plane_missing": _plane_missing(audit),
        "training": _figure(charts, "training", "Training loss against step"),
        "meanings": meanings(audit),
        "untried": untried(audit),
        "downloads": downloads(audit),
        "scaled_down": _scaled_down(audit, how),
        "pixels": _pictured(audit),
        "unfolded": UNFOLDED,
    }


def _drawing(audit: Audit) -> Drawing:
    frames = min(len(audit.pictures.get("noise_frames", ())), MOST_NOISE_ROWS) * (MOST_FRAMES + 1)
    examples = min(audit.examples.height, MOST_ROWS) * (MOST_FRAMES + 1)
    cards = min(audit.attractors.height, MOST_CARDS)
    return drawing(audit.pictures.get("examples"), frames + examples + cards)


def _pictured(audit: Audit) -> bool:
    examples = audit.pictures.get("examples")
    return examples is None or drawn_as_picture(examples.shape[1:])


def _scaled_down(audit: Audit, how: Drawing) -> str:
    examples = audit.pictures.get("examples")
    if examples is None or not drawn_as_picture(examples.shape[1:]):
        return ""
    height, width = examples.shape[-2:]
    if max(height, width) <= how.side:
        return ""
    return f"Pictures of {height} by {width} pixels are shown at {how.side} on the longer side."


def _figure(
    charts: dict[str, ChartType], name: str, words: str, keeps_shape: bool = False
) -> Figure | None:
    return Figure(name, words, _spec(charts[name]), keeps_shape) if name in charts else None


def _spec(chart: ChartType) -> Markup:
    return safe_json(page_spec(chart))


def _corruption_words(entry: RecallFrames | RecallRate | None) -> str:
    """The corruption and strength of an entry of the summary, or an empty string."""
    if entry is None:
        return ""
    strength = f"{strength_name(entry.corruption)} {setting(entry.strength)}"
    return f"{corruption_name(entry.corruption)}, {strength}"


def _starts(starts: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table of starts: each outcome as a rate of its starts."""
    return [
        {
            **row,
            "rates": {
                column: Rate.of(row[column], row["starts"]) if row["starts"] else None
                for column in OUTCOMES
            },
        }
        for row in starts.iter_rows(named=True)
    ]


def _plane_missing(audit: Audit) -> str:
    if audit.examples.height < 3:
        return (
            "A plane needs three examples; this audit has "
            f"{audit.examples.height}, so there is no map."
        )
    return "This audit did not follow starts on a plane through three examples."
