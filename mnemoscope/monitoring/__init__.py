"""What a network memorizes while it is being trained, at a small share of the training's time."""

from mnemoscope.monitoring.monitor import Monitor

__all__ = ["Monitor"]
