"""What was memorized: tables with a row for each example and each attractor, and a verdict."""

from mnemoscope.auditing.audit import Audit
from mnemoscope.auditing.audit_map import audit
from mnemoscope.auditing.audit_within import audit_within
from mnemoscope.auditing.comparison import Comparison, compare
from mnemoscope.auditing.conditions import Condition, parse_condition, parse_conditions
from mnemoscope.auditing.controls import Controls, controls
from mnemoscope.auditing.effort import Effort
from mnemoscope.auditing.findings import Finding, findings
from mnemoscope.auditing.membership import DistributionWarning, Membership, membership
from mnemoscope.auditing.parts import Interrupted
from mnemoscope.auditing.report_schema import report_json, report_schema
from mnemoscope.auditing.screening import Screen, screen

__all__ = [
    "Audit",
    "Comparison",
    "Condition",
    "Controls",
    "DistributionWarning",
    "Effort",
    "Finding",
    "Interrupted",
    "Membership",
    "Screen",
    "audit",
    "audit_within",
    "compare",
    "controls",
    "findings",
    "membership",
    "parse_condition",
    "parse_conditions",
    "report_json",
    "report_schema",
    "screen",
]
