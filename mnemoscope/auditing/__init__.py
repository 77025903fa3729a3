"""What was memorized: tables with a row for each example and each attractor, and a verdict."""

from mnemoscope.auditing.audit import Audit
from mnemoscope.auditing.audit_map import audit

__all__ = ["Audit", "audit"]
