"""Orbits, fixed points, cycles, the census of attractors, their basins and statistics."""

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import Census, find_attractors
from mnemoscope.dynamics.fixed_point_search import FixedPoints, find_fixed_points
from mnemoscope.dynamics.fixed_points import Refined, refine
from mnemoscope.dynamics.orbits import Orbits, Status, iterate
from mnemoscope.dynamics.starts import STARTS, Starts
from mnemoscope.dynamics.unseen import good_turing

__all__ = [
    "STARTS",
    "Atlas",
    "Census",
    "FixedPoints",
    "Orbits",
    "Refined",
    "Starts",
    "Status",
    "find_attractors",
    "find_fixed_points",
    "good_turing",
    "iterate",
    "refine",
]
