"""Training examples from the weights: alone, with no training data, or from degraded examples."""

from mnemoscope.extraction.extracting import extract
from mnemoscope.extraction.extraction import Extraction
from mnemoscope.extraction.recovery import Recovery, RecoveryOptions, recover
from mnemoscope.extraction.search import SearchOptions

__all__ = ["Extraction", "Recovery", "RecoveryOptions", "SearchOptions", "extract", "recover"]
