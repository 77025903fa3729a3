"""Charts of an audit: functions from its tables to Altair charts."""

from altair.typing import ChartType

from mnemoscope.base.text import finite
from mnemoscope.plots.draw import known
from mnemoscope.report.charts.lines import (
    SCORES,
    loss_points,
    recall_chart,
    recall_panels,
    roc_chart,
    training_chart,
)
from mnemoscope.report.charts.spectrum import outside_view, spectrum_chart
from mnemoscope.report.charts.starts import OUTCOMES, basins_chart, plane_chart
from mnemoscope.results.audit import Audit

__all__ = [
    "OUTCOMES",
    "SCORES",
    "audit_charts",
    "basins_chart",
    "outside_view",
    "plane_chart",
    "recall_chart",
    "recall_panels",
    "roc_chart",
    "spectrum_chart",
    "threshold",
    "training_chart",
]


def audit_charts(audit: Audit) -> dict[str, ChartType]:
    """Draws the charts that the audit has data for: `spectrum, recall, basins, plane, …`."""
    summary = audit.summary
    charts: dict[str, ChartType] = {}
    if known(audit.spectra, "real", "imag").height:
        charts["spectrum"] = spectrum_chart(audit.spectra, audit.examples)
    if known(audit.curves, "strength", "rate").height:
        charts["recall"] = recall_chart(audit.curves, summary.corruptions)
    if audit.starts.filter(audit.starts["starts"] > 0).height:
        charts["basins"] = basins_chart(audit.starts)
    if known(audit.plane, "u", "v").height and summary.plane:
        charts["plane"] = plane_chart(audit.plane, audit.attractors, summary.plane)
    if audit.roc.height:
        charts["membership"] = roc_chart(audit.roc)
    if loss_points(audit.history).height:
        charts["training"] = training_chart(audit.history, threshold(audit))
    return charts


def threshold(audit: Audit) -> float | None:
    """Returns the loss that counted as interpolation in training; None if it is not known."""
    return finite((audit.provenance.get("training") or {}).get("tol"))
