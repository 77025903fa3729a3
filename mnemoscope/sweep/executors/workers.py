"""The workers of a sweep: an executor, and how it is to be used."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep.work import Watch


class NoWorkers(MnemoscopeError):
    """No worker can do the work: no fault of a run."""


class WorkerLost(RuntimeError):
    """The process that computed a group died, and not by an error of Python."""


@dataclass(frozen=True)
class Workers:
    """An executor, and how it is to be used.

    Attributes:
        executor: Any executor of `concurrent.futures`.
        slots: The number of groups that are given to it at a time, more would only wait there; or a
            function that returns it, where workers come and go.
        watch: How a worker that takes too long is ended.
        gpu: An executor for groups that need an accelerator; default: the same.
    """

    executor: Executor
    slots: int | Callable[[], int]
    watch: Watch = "alarm"
    gpu: Executor | None = None

    @property
    def room(self) -> int:
        """The number of groups that it may have at this moment."""
        return self.slots() if callable(self.slots) else self.slots

    def for_device(self, device: str) -> Executor:
        """Returns the executor for groups of a device."""
        return self.executor if self.gpu is None or device == "cpu" else self.gpu


def workers_of(executor: "Executor | Workers") -> Workers:
    """Wraps any executor: twice as many slots as it has threads or processes, if it says."""
    if isinstance(executor, Workers):
        return executor
    known = getattr(executor, "_max_workers", None)
    return Workers(executor, slots=2 * known if isinstance(known, int) else 64)


def available_cores() -> int:
    """Counts the cores that this process may use: batch systems often grant fewer than exist."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _InProcess(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Calls the function at once; what it returns or raises is in the future."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def in_process() -> Workers:
    """Computes one group after the other in the calling thread, for a debugger and for tests.

    An alarm ends a group that takes too long.
    """
    return Workers(_InProcess(), slots=1)


@contextmanager
def mpi_workers() -> Iterator[Workers]:
    """Uses all ranks of an MPI job but the first, which drives.

    The job is started by `mpiexec -n RANKS python -m mpi4py.futures -m mnemoscope sweep ...`. A
    rank that dies ends the job, as is usual with MPI: run the same command again.

    Raises:
        MnemoscopeError: `mpi4py` is not installed, or there is only one rank.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPIPoolExecutor
    except (ImportError, RuntimeError) as error:
        raise MnemoscopeError(
            f"--mpi without MPI ({error})",
            expected="the package mpi4py and an MPI library",
            todo="install mnemoscope[mpi] and, if the machine has none, an MPI such as mpich",
        ) from error
    with MPIPoolExecutor() as executor:
        count = executor.num_workers if MPI.COMM_WORLD.Get_size() > 1 else 0
        if count < 1:
            raise MnemoscopeError(
                "--mpi in a job of one process",
                expected="two or more",
                todo="start it with mpiexec -n 5 python -m mpi4py.futures -m mnemoscope sweep ...",
            )
        yield Workers(executor, slots=2 * count, watch="alarm")
