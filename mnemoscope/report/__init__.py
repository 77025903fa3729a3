"""The report: charts of an audit, and the page that carries them all; the page of claims."""

from mnemoscope.report.claims import write_claims_page
from mnemoscope.report.export import write_charts
from mnemoscope.report.page import write_report

__all__ = ["write_charts", "write_claims_page", "write_report"]
