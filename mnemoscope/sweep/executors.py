"""Executors of a sweep: this process, other processes, a Dask cluster, the ranks of an MPI job."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.importing import needed_for
from mnemoscope.sweep.process_pool import GRACE, Processes
from mnemoscope.sweep.work import Watch

LOCAL = "local"

ASKED_EVERY = 5.0
"""Time between two questions to the scheduler for the number of workers (s)."""


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


@contextmanager
def processes(workers: int, timeout: float) -> Iterator[Workers]:
    """Processes of this machine, each with one thread, for groups that may take `timeout` s."""
    executor = Processes(workers, timeout + GRACE)
    left = True
    try:
        yield Workers(executor, slots=workers, watch="exit")
        left = False
    finally:
        executor.shutdown(cancel_futures=left)


@contextmanager
def dask_workers(address: str, *, workers: int | None = None) -> Iterator[Workers]:
    """Uses the workers of a Dask cluster.

    Groups whose `device` is not `cpu` go to workers that were started with `--resources "GPU=1"`,
    one at a time each. Dask notices a lost worker and gives its group to another one. Workers that
    join later get groups, too. The threads of one worker work one after the other, so start workers
    with one thread.

    Args:
        address: `tcp://host:port` of a scheduler; `local` starts a cluster on this machine.
        workers: The number of workers to start, with `local`; default: one for each core.

    Raises:
        MnemoscopeError: `dask.distributed` is not installed, or the scheduler cannot be reached.
    """
    needed_for(f"--dask {address}", "distributed", extra="cluster")
    from dask.config import set as configured
    from distributed import Client, LocalCluster

    quiet: dict[str, Any] = {"distributed.logging.distributed": "critical"}
    with configured(quiet):
        if address == LOCAL:
            # A worker ends itself when its group takes too long; once is enough for the driver.
            with (
                configured({"distributed.scheduler.allowed-failures": 0}),
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=None,  # pyright: ignore[reportArgumentType]
                    silence_logs=50,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield _workers(client)
            return
        try:
            client = Client(address, timeout=10)
        except (OSError, ValueError, TypeError) as error:
            raise MnemoscopeError(
                f"--dask {address} ({first_line(error)})",
                expected="the address of a Dask scheduler that runs, or local",
                todo="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from error
        with client:
            yield _workers(client)


def _workers(client: Any) -> Workers:
    known = client.scheduler_info(n_workers=-1)["workers"].values()
    labelled = not known or any("GPU" in one["resources"] for one in known)
    return Workers(
        # Not `pure`: a group that is tried again is to be computed again.
        client.get_executor(pure=False),
        slots=_slots(client),
        watch="exit",
        # Without such workers groups would wait forever; any other worker at least reports why.
        gpu=client.get_executor(pure=False, resources={"GPU": 1}) if labelled else None,
    )


def _slots(client: Any) -> Callable[[], int]:
    """Returns a function for the number of groups to give to the cluster: no worker waits."""
    asked, found = float("-inf"), 0

    def slots() -> int:
        nonlocal asked, found
        if time.monotonic() - asked >= ASKED_EVERY:
            # If the scheduler is gone, the futures of its groups raise.
            with suppress(Exception):
                found = sum(client.nthreads().values())
            asked = time.monotonic()
        # A first worker that joins has something at once.
        return max(2 * found, 8)

    return slots
