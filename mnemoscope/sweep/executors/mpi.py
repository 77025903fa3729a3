"""Workers that are the ranks of an MPI job."""

from collections.abc import Iterator
from contextlib import contextmanager

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep.executors.workers import Workers


@contextmanager
def mpi_workers() -> Iterator[Workers]:
    """All ranks but the first, which drives.

    The job is started by `mpiexec -n RANKS python -m mpi4py.futures -m mnemoscope sweep ...`. A
    rank that dies takes the job along (that is MPI's way): run the same command again.

    Raises:
        MnemoscopeError: `mpi4py` is not installed, or there is but one rank.
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
