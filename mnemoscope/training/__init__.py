"""Fitting networks to interpolation."""

from mnemoscope.training.fit import Fit, Progress
from mnemoscope.training.optimizers import OPTIMIZERS
from mnemoscope.training.schedules import SCHEDULES
from mnemoscope.training.train import train

__all__ = ["OPTIMIZERS", "SCHEDULES", "Fit", "Progress", "train"]
