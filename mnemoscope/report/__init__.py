"""Reports: the pages of an audit, of two audits and of claims, and the charts as files."""

from mnemoscope.report.audit import write_report
from mnemoscope.report.claims import write_claims_page
from mnemoscope.report.comparison import write_comparison_page
from mnemoscope.report.export import write_charts

__all__ = ["write_charts", "write_claims_page", "write_comparison_page", "write_report"]
