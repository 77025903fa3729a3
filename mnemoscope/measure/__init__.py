"""Measurements of what was memorized."""

from mnemoscope.measure.replicas import audit_replicas, stored_by_replica

__all__ = ["audit_replicas", "stored_by_replica"]
