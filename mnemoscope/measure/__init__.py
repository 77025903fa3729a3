"""Measurements of what was memorized, and the audit that takes them all."""

from mnemoscope.measure.auditing import audit
from mnemoscope.measure.controls import Controls, controls
from mnemoscope.measure.effort import Effort
from mnemoscope.measure.membership import DistributionWarning, Membership, membership
from mnemoscope.measure.parts import Interrupted
from mnemoscope.measure.replicas import audit_replicas, stored_by_replica
from mnemoscope.measure.screening import Screen, screen
from mnemoscope.measure.within import audit_within

__all__ = [
    "Controls",
    "DistributionWarning",
    "Effort",
    "Interrupted",
    "Membership",
    "Screen",
    "audit",
    "audit_replicas",
    "audit_within",
    "controls",
    "membership",
    "screen",
    "stored_by_replica",
]
