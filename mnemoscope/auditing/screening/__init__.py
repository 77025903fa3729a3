"""Training sets that are too large to be audited whole: one pass over all, audits of some."""

from mnemoscope.auditing.screening.screen import Screen
from mnemoscope.auditing.screening.screen_map import screen

__all__ = ["Screen", "screen"]
