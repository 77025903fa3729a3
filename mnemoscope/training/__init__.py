"""Fitting networks to interpolation."""

from mnemoscope.training.fit import Fit, Progress
from mnemoscope.training.optimizers import OPTIMIZERS
from mnemoscope.training.replica_spectra import replica_spectral_radius
from mnemoscope.training.replicas import ReplicaProgress, Replicas
from mnemoscope.training.schedules import SCHEDULES
from mnemoscope.training.train import train
from mnemoscope.training.train_replicas import train_replicas

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Fit",
    "Progress",
    "ReplicaProgress",
    "Replicas",
    "replica_spectral_radius",
    "train",
    "train_replicas",
]
