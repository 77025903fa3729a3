"""Charts: a figure is described as plain data (`Figure`) and drawn by `mnemoscope.plots.draw`."""

from mnemoscope.plots.figure import Axis, Figure, Reference

__all__ = ["Axis", "Figure", "Reference"]
