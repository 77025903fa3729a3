"""Every claim executable: its statement, what theory predicts, what was measured, a verdict.

A claim is one module of this package that has a `CLAIM`; a new one needs no change anywhere else.
"""

from mnemoscope.claims.claim import Check, Claim, ClaimResult, Evidence
from mnemoscope.claims.scale import Scale

__all__ = ["Check", "Claim", "ClaimResult", "Evidence", "Scale"]
