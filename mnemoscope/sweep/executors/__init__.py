"""Executors of a sweep: this process, other processes, a Dask cluster, the ranks of an MPI job."""

from mnemoscope.sweep.executors.dask import dask_workers
from mnemoscope.sweep.executors.process_pool import Processes, processes
from mnemoscope.sweep.executors.workers import (
    NoWorkers,
    WorkerLost,
    Workers,
    available_cores,
    in_process,
    mpi_workers,
    workers_of,
)

__all__ = [
    "NoWorkers",
    "Processes",
    "WorkerLost",
    "Workers",
    "available_cores",
    "dask_workers",
    "in_process",
    "mpi_workers",
    "processes",
    "workers_of",
]
