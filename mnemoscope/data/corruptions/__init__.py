"""Corruptions of examples: one module each, with a `Corruption` called `CORRUPTION`."""

from mnemoscope.data.corruptions.corruption import CORRUPTIONS, Corruption, Scale, corrupt

__all__ = ["CORRUPTIONS", "Corruption", "Scale", "corrupt"]
