"""The names of the package and their homes; `__init__.py` imports each at its first use."""

from .hopfield import Hopfield as Hopfield
from .memory import Memory as Memory
from .storing import Plan as Plan
from .storing import StoreOptions as StoreOptions
from .storing import plan as plan
from .storing import store as store
from .storing import store_sequence as store_sequence
