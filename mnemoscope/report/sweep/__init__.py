"""The report of a sweep: its page, its charts as files, and its numbers by setting as a table."""

from mnemoscope.report.sweep.factors import Axis, Sampled
from mnemoscope.report.sweep.page import sweep_charts, write_sweep_charts, write_sweep_page
from mnemoscope.report.sweep.tables import write_sweep_settings

__all__ = [
    "Axis",
    "Sampled",
    "sweep_charts",
    "write_sweep_charts",
    "write_sweep_page",
    "write_sweep_settings",
]
