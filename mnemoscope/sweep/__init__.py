"""Sweeps: a design of many runs, done anywhere, stored as Parquet, read as one table.

Example:
    >>> import mnemoscope as mn
    >>> design = mn.sweep.Design(
    ...     name="depth",
    ...     data={"source": "digits", "n": 4},
    ...     training={"max_steps": 3000},
    ...     grid={"spec.depth": [2, 4], "spec.width": [16, 32]},
    ...     seeds=5,
    ...     measure={"take": ["stored", "contraction"]},
    ... )
    >>> design.count
    20

`mn.sweep.run(design, "runs/depth")` does them; `mn.sweep.load("runs/depth")` is a polars LazyFrame.
"""

from mnemoscope.sweep import designs
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.fitting import train_again
from mnemoscope.sweep.ledger import Failure
from mnemoscope.sweep.loading import load
from mnemoscope.sweep.planning import Plan, plan
from mnemoscope.sweep.running import Finished, SweepProgress, run
from mnemoscope.sweep.state import SweepStatus, status
from mnemoscope.sweep.store import StoreError

__all__ = [
    "Design",
    "Failure",
    "Finished",
    "Plan",
    "StoreError",
    "SweepProgress",
    "SweepStatus",
    "designs",
    "load",
    "plan",
    "run",
    "status",
    "train_again",
]
