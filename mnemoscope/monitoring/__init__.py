"""Records what a network memorizes during training, at a small share of the training's time."""

from mnemoscope.monitoring.monitor import Monitor

__all__ = ["Monitor"]
