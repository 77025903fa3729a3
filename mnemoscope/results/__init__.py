"""What was measured: audits, what they found in words, and how two of them differ."""

from mnemoscope.results.audit import Audit
from mnemoscope.results.comparison import Comparison, compare
from mnemoscope.results.conditions import Condition, parse_condition, parse_conditions
from mnemoscope.results.finding import Finding, findings
from mnemoscope.results.report_format import report_json, report_schema
from mnemoscope.results.screen import Screen

__all__ = [
    "Audit",
    "Comparison",
    "Condition",
    "Finding",
    "Screen",
    "compare",
    "findings",
    "parse_condition",
    "parse_conditions",
    "report_json",
    "report_schema",
]
