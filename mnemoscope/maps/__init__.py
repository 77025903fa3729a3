"""`SelfMap`: a map whose output has its input's shape, evaluated and linearized in batches."""

from mnemoscope.maps.adapters.adapter import LoadOptions
from mnemoscope.maps.adapters.load import load_map
from mnemoscope.maps.black_box import BlackBox
from mnemoscope.maps.check import (
    check_derivatives,
    check_growth,
    check_map,
    check_values,
    compare_growth,
)
from mnemoscope.maps.halves import Halves, halves_of
from mnemoscope.maps.image_spaces import ImageSpace, image_space
from mnemoscope.maps.latent import LatentMap, LatentOptions, latent_map
from mnemoscope.maps.linearization import Linearization
from mnemoscope.maps.self_map import SelfMap
from mnemoscope.maps.wrapped import MapOptions, Wrapped

__all__ = [
    "BlackBox",
    "Halves",
    "ImageSpace",
    "LatentMap",
    "LatentOptions",
    "Linearization",
    "LoadOptions",
    "MapOptions",
    "SelfMap",
    "Wrapped",
    "check_derivatives",
    "check_growth",
    "check_map",
    "check_values",
    "compare_growth",
    "halves_of",
    "image_space",
    "latent_map",
    "load_map",
]
