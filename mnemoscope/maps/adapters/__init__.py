"""Adapters: a self-map from a file or folder of any kind; others can ship their own.

`load_map(target)` is all that the audit, extraction and the command line need.
"""

from mnemoscope.maps.adapters.adapter import Adapter, Loaded, LoadOptions, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter
from mnemoscope.maps.adapters.load import Opened, load_map, open_model
from mnemoscope.maps.adapters.registry import find_adapter, installed_adapters

__all__ = [
    "Adapter",
    "LoadOptions",
    "Loaded",
    "ObjectAdapter",
    "Opened",
    "Request",
    "find_adapter",
    "installed_adapters",
    "load_map",
    "open_model",
]
