"""What comes out of the weights: alone, with no training data, or from degraded examples."""

from mnemoscope.extraction.extract import extract
from mnemoscope.extraction.extraction import Extraction
from mnemoscope.extraction.recovery import Recovery, recover

__all__ = ["Extraction", "Recovery", "extract", "recover"]
