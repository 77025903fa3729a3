"""Measurements of what was memorized, and the audit that takes them all."""

from mnemoscope.measure.auditing import audit
from mnemoscope.measure.columns import Column
from mnemoscope.measure.conditional import audit_conditional
from mnemoscope.measure.membership_scores import DistributionWarning, Membership, membership
from mnemoscope.measure.negative_controls import Controls, controls
from mnemoscope.measure.options import AuditOptions, AuditRun, Tolerances
from mnemoscope.measure.parts import Interrupted
from mnemoscope.measure.replicas import audit_replicas, stored_by_replica
from mnemoscope.measure.screening import ScreenOptions, screen, screen_conditional
from mnemoscope.measure.within import Effort, audit_within

__all__ = [
    "AuditOptions",
    "AuditRun",
    "Column",
    "Controls",
    "DistributionWarning",
    "Effort",
    "Interrupted",
    "Membership",
    "ScreenOptions",
    "Tolerances",
    "audit",
    "audit_conditional",
    "audit_replicas",
    "audit_within",
    "controls",
    "membership",
    "screen",
    "screen_conditional",
    "stored_by_replica",
]
