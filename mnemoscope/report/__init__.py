"""The report: charts of an audit, and the page that carries them all."""

from mnemoscope.report.export import write_charts
from mnemoscope.report.page import write_page

__all__ = ["write_charts", "write_page"]
