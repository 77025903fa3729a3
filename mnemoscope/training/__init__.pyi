"""The names of the package and their homes; `__init__.py` imports each at its first use."""

from .ensemble import train_replicas as train_replicas
from .fit import Fit as Fit
from .fit import Progress as Progress
from .fit import ReplicaProgress as ReplicaProgress
from .options import OPTIMIZERS as OPTIMIZERS
from .options import SCHEDULES as SCHEDULES
from .options import TrainingOptions as TrainingOptions
from .replicas import Replicas as Replicas
from .replicas import replica_spectral_radius as replica_spectral_radius
from .single import train as train
