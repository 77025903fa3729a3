"""The report of a sweep: its charts, their files, and the page that carries them all."""

from mnemoscope.report.sweep.charts import sweep_charts
from mnemoscope.report.sweep.export import write_sweep_charts
from mnemoscope.report.sweep.page import write_sweep_page
from mnemoscope.report.sweep.settings import write_sweep_settings

__all__ = ["sweep_charts", "write_sweep_charts", "write_sweep_page", "write_sweep_settings"]
