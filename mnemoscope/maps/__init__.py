"""`SelfMap`: a map whose output has its input's shape, evaluated and linearized in batches."""

from mnemoscope.maps.linearization import Linearization
from mnemoscope.maps.memory import batch_size_within, free_memory
from mnemoscope.maps.self_map import SelfMap

__all__ = ["Linearization", "SelfMap", "batch_size_within", "free_memory"]
