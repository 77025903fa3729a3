"""Training sets that are too large to be audited whole: one pass over all, audits of some."""

from mnemoscope.measure.screening.screen_map import ScreenOptions, screen, screen_conditional

__all__ = ["ScreenOptions", "screen", "screen_conditional"]
