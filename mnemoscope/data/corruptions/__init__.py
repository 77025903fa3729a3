"""Corruptions of examples: one module each, with a `Corruption` called `CORRUPTION`."""

from mnemoscope.data.corruptions.corruption import Corruption, Scale
from mnemoscope.data.corruptions.registry import CORRUPTIONS, corrupt

__all__ = ["CORRUPTIONS", "Corruption", "Scale", "corrupt"]
