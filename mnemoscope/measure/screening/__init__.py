"""Training sets that are too large to be audited whole: one pass over all, audits of some."""

from mnemoscope.measure.screening.screen import Screen
from mnemoscope.measure.screening.screen_map import screen

__all__ = ["Screen", "screen"]
