"""Examples from bundled pictures, folders, arrays and Hugging Face datasets; corruptions."""

from mnemoscope.data.corruptions import CORRUPTIONS, Corruption, corrupt
from mnemoscope.data.duplicate_examples import duplicates
from mnemoscope.data.load import load_data

__all__ = ["CORRUPTIONS", "Corruption", "corrupt", "duplicates", "load_data"]
