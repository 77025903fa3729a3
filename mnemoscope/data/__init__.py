"""Examples from bundled pictures, folders, arrays and Hugging Face datasets; corruptions."""

from mnemoscope.data.arrays import duplicates
from mnemoscope.data.corruptions import CORRUPTIONS, Corruption, corrupt
from mnemoscope.data.load import load_data

__all__ = ["CORRUPTIONS", "Corruption", "corrupt", "duplicates", "load_data"]
