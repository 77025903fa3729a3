"""The workers of a Dask cluster, which runs already or is started here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.importing import needed_for
from mnemoscope.sweep.executors.workers import Workers

LOCAL = "local"

ASKED_EVERY = 5.0
"""Time between two questions to the scheduler for the number of workers (s)."""


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
