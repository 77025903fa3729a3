"""Fitting networks to interpolation.

Names are imported when they are first used: the command line needs the options without PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mnemoscope.training.options import OPTIMIZERS, SCHEDULES, TrainingOptions

if TYPE_CHECKING:
    from mnemoscope.training.ensemble import train_replicas
    from mnemoscope.training.fit import Fit, Progress, ReplicaProgress
    from mnemoscope.training.replicas import Replicas, replica_spectral_radius
    from mnemoscope.training.single import train

_HOME = {
    "Fit": "fit",
    "Progress": "fit",
    "ReplicaProgress": "fit",
    "Replicas": "replicas",
    "replica_spectral_radius": "replicas",
    "train": "single",
    "train_replicas": "ensemble",
}

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Fit",
    "Progress",
    "ReplicaProgress",
    "Replicas",
    "TrainingOptions",
    "replica_spectral_radius",
    "train",
    "train_replicas",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
