"""`mnemoscope sweep`: many runs planned, done, watched and shown."""

from mnemoscope.cli.sweep.app import SWEEP_COMMANDS, sweep

__all__ = ["SWEEP_COMMANDS", "sweep"]
