"""Charts of an audit: functions from its tables to Altair charts, one idea a file."""

import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.rows import known
from mnemoscope.report.charts.basins import basins_chart
from mnemoscope.report.charts.membership import roc_chart
from mnemoscope.report.charts.plane import plane_chart
from mnemoscope.report.charts.recall import recall_chart, recall_panels
from mnemoscope.report.charts.spectrum import spectrum_chart
from mnemoscope.report.charts.training import loss_points, training_chart
from mnemoscope.report.key_figures import interpolation_threshold
from mnemoscope.results.audit import Audit

__all__ = [
    "audit_charts",
    "basins_chart",
    "plane_chart",
    "recall_chart",
    "recall_panels",
    "roc_chart",
    "spectrum_chart",
    "training_chart",
]


def audit_charts(audit: Audit) -> dict[str, ChartType]:
    """The charts that the audit has data for: `spectrum, recall, basins, plane, …`."""
    charts: dict[str, ChartType] = {}
    if known(audit.spectra, "real", "imag").height:
        charts["spectrum"] = spectrum_chart(audit.spectra, audit.examples)
    if known(audit.curves, "strength", "rate").height:
        charts["recall"] = recall_chart(audit.curves)
    if audit.starts.filter(pl.col("starts") > 0).height:
        charts["basins"] = basins_chart(audit.starts)
    if known(audit.plane, "u", "v").height and audit.summary.plane:
        charts["plane"] = plane_chart(audit.plane, audit.attractors, audit.summary.plane)
    if audit.roc.height:
        charts["membership"] = roc_chart(audit.roc)
    if loss_points(audit.history).height:
        charts["training"] = training_chart(audit.history, tol=interpolation_threshold(audit))
    return charts
