"""`SelfMap`: a map whose output has its input's shape, evaluated and linearized in batches."""

from mnemoscope.maps.image_space import ImageSpace, image_space
from mnemoscope.maps.linearization import Linearization
from mnemoscope.maps.self_map import SelfMap

__all__ = ["ImageSpace", "Linearization", "SelfMap", "image_space"]
