"""Mnemoscope finds out what an autoencoder has memorized.

Names are imported when they are first used, so that the command line answers at once.

Example:
    >>> import mnemoscope as mn
    >>> X = mn.load_data("digits", n=5)
    >>> spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4, activation="sigmoid")
    >>> net = spec.build(seed=0)
    >>> mn.train(net, X).converged
    True
    >>> mn.spectral_radius(net, X).shape
    torch.Size([5])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnemoscope import claims as claims
    from mnemoscope import data as data
    from mnemoscope import dynamics as dynamics
    from mnemoscope import extraction as extraction
    from mnemoscope import linalg as linalg
    from mnemoscope import maps as maps
    from mnemoscope import measure as measure
    from mnemoscope import monitoring as monitoring
    from mnemoscope import nets as nets
    from mnemoscope import report as report
    from mnemoscope import results as results
    from mnemoscope import sweep as sweep
    from mnemoscope import theory as theory
    from mnemoscope import training as training
    from mnemoscope.base.errors import DivergenceError as DivergenceError
    from mnemoscope.base.errors import DivergenceWarning as DivergenceWarning
    from mnemoscope.base.errors import MnemoscopeError as MnemoscopeError
    from mnemoscope.base.stats import wilson as wilson
    from mnemoscope.data import load_data as load_data
    from mnemoscope.dynamics import Census as Census
    from mnemoscope.dynamics import FixedPoints as FixedPoints
    from mnemoscope.dynamics import Orbits as Orbits
    from mnemoscope.dynamics import Starts as Starts
    from mnemoscope.dynamics import Status as Status
    from mnemoscope.dynamics import find_attractors as find_attractors
    from mnemoscope.dynamics import find_fixed_points as find_fixed_points
    from mnemoscope.dynamics import good_turing as good_turing
    from mnemoscope.dynamics import iterate as iterate
    from mnemoscope.dynamics import refine as refine
    from mnemoscope.extraction import Extraction as Extraction
    from mnemoscope.extraction import Recovery as Recovery
    from mnemoscope.extraction import extract as extract
    from mnemoscope.extraction import recover as recover
    from mnemoscope.linalg import AccuracyWarning as AccuracyWarning
    from mnemoscope.linalg import ConvergenceWarning as ConvergenceWarning
    from mnemoscope.linalg import LeadingValues as LeadingValues
    from mnemoscope.linalg import Spectrum as Spectrum
    from mnemoscope.linalg import distance_to_span as distance_to_span
    from mnemoscope.linalg import effective_rank as effective_rank
    from mnemoscope.linalg import jacobian_eigenvalues as jacobian_eigenvalues
    from mnemoscope.linalg import jacobian_singular_values as jacobian_singular_values
    from mnemoscope.linalg import operator_norm as operator_norm
    from mnemoscope.linalg import spectral_radius as spectral_radius
    from mnemoscope.linalg import spectrum as spectrum
    from mnemoscope.maps import BlackBox as BlackBox
    from mnemoscope.maps import SelfMap as SelfMap
    from mnemoscope.maps import Wrapped as Wrapped
    from mnemoscope.maps import load_map as load_map
    from mnemoscope.measure import AuditOptions as AuditOptions
    from mnemoscope.measure import AuditRun as AuditRun
    from mnemoscope.measure import ScreenOptions as ScreenOptions
    from mnemoscope.measure import Tolerances as Tolerances
    from mnemoscope.measure import audit as audit
    from mnemoscope.measure import audit_conditional as audit_conditional
    from mnemoscope.measure import audit_replicas as audit_replicas
    from mnemoscope.measure import screen as screen
    from mnemoscope.measure import screen_conditional as screen_conditional
    from mnemoscope.monitoring import Monitor as Monitor
    from mnemoscope.report import write_report as write_report
    from mnemoscope.results import Audit as Audit
    from mnemoscope.results import Screen as Screen
    from mnemoscope.training import Fit as Fit
    from mnemoscope.training import Replicas as Replicas
    from mnemoscope.training import replica_spectral_radius as replica_spectral_radius
    from mnemoscope.training import train as train
    from mnemoscope.training import train_replicas as train_replicas

__version__ = "0.1.0"

_HOMES = {
    "extraction": ("Extraction", "Recovery", "extract", "recover"),
    "measure": (
        "AuditOptions", "AuditRun", "ScreenOptions", "Tolerances", "audit", "audit_conditional",
        "audit_replicas", "screen", "screen_conditional",
    ),
    "monitoring": ("Monitor",),
    "data": ("load_data",),
    "dynamics": (
        "Census", "FixedPoints", "Orbits", "Starts", "Status", "find_attractors",
        "find_fixed_points", "good_turing", "iterate", "refine",
    ),
    "base.errors": ("DivergenceError", "DivergenceWarning", "MnemoscopeError"),
    "base.stats": ("wilson",),
    "linalg": (
        "AccuracyWarning", "ConvergenceWarning", "LeadingValues", "Spectrum", "distance_to_span",
        "effective_rank", "jacobian_eigenvalues", "jacobian_singular_values", "operator_norm",
        "spectral_radius", "spectrum",
    ),
    "maps": ("BlackBox", "SelfMap", "Wrapped", "load_map"),
    "report": ("write_report",),
    "results": ("Audit", "Screen"),
    "training": ("Fit", "Replicas", "replica_spectral_radius", "train", "train_replicas"),
}  # fmt: skip

_PACKAGES = (
    "claims", "data", "dynamics", "extraction", "linalg", "maps", "measure", "monitoring", "nets",
    "report", "results", "sweep", "theory", "training",
)  # fmt: skip

_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*sorted(_HOME), *_PACKAGES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"mnemoscope.{_HOME[name]}"), name)
    if name in _PACKAGES:
        return import_module(f"mnemoscope.{name}")
    raise AttributeError(f"module 'mnemoscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
