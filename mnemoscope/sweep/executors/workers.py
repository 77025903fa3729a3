"""What the driver knows of those who do the work."""

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep.work import Watch


class NoWorkers(MnemoscopeError):
    """Nobody can do the work: no fault of a run."""


class WorkerLost(RuntimeError):
    """The process that computed a group died, and not by an error of Python."""


@dataclass(frozen=True)
class Workers:
    """An executor, and how it is to be used.

    Attributes:
        executor: Any of `concurrent.futures`.
        slots: Groups that are given to it at a time, more only wait there; or what tells how many
            these are by now, where workers come and go.
        watch: How a worker that takes too long is ended.
        gpu: An executor for groups that need an accelerator; the same one if None.
    """

    executor: Executor
    slots: int | Callable[[], int]
    watch: Watch = "alarm"
    gpu: Executor | None = None

    @property
    def room(self) -> int:
        """The groups that it may have at this moment."""
        return self.slots() if callable(self.slots) else self.slots

    def for_device(self, device: str) -> Executor:
        """The executor for groups of a device."""
        return self.executor if self.gpu is None or device == "cpu" else self.gpu


def workers_of(executor: "Executor | Workers") -> Workers:
    """Any executor as workers: twice as many slots as it has threads or processes, if it says."""
    if isinstance(executor, Workers):
        return executor
    known = getattr(executor, "_max_workers", None)
    return Workers(executor, slots=2 * known if isinstance(known, int) else 64)


def available_cores() -> int:
    """The cores that this process may use: a batch system often gives fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
