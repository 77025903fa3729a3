"""Proofs that every orbit from a ball around a state converges to the one fixed point in it."""

from mnemoscope.theory.certificates.certificate import Certificate
from mnemoscope.theory.certificates.certifying import certify, certify_all

__all__ = ["Certificate", "certify", "certify_all"]
