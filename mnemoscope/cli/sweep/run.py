"""`mnemoscope sweep run`: does all runs of a design that are not stored yet."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import duration
from mnemoscope.cli.computing import import_libraries
from mnemoscope.cli.invocation import FOUND
from mnemoscope.cli.options import NamedPlace, Place
from mnemoscope.cli.printing import print_json, print_lines
from mnemoscope.cli.progress import sweep_progress

if TYPE_CHECKING:
    from mnemoscope.sweep import Design, Finished, SweepProgress
    from mnemoscope.sweep.executors import Workers


def run(
    design: NamedPlace,
    *,
    out: Place = None,
    workers: int | None = None,
    in_process: bool = False,
    dask: str | None = None,
    mpi: bool = False,
    json: bool = False,
) -> int:
    """Do all runs of a design that are not stored yet; if it is stopped, run it again.

    Exits with 1 if some runs could not be done; each is named with its reason.

    Args:
        design: A TOML file, the name of a shipped design (see mnemoscope sweep designs), or
            package.module:name of a Design in Python.
        out: Folder or URL (s3://bucket/it) to store rows in; default: runs/NAME.
        workers: Number of processes, of one thread each; default: one for each core.
        in_process: No processes: one group after the other, here.
        dask: Workers of a Dask cluster: the address of its scheduler, tcp://..., or local to start
            one here; default: processes.
        mpi: Ranks of an MPI job, started with mpiexec -n N python -m mpi4py.futures -m mnemoscope
            sweep run ... --mpi.
        json: Print the summary as JSON, for programs.
    """
    _check_one(workers, in_process, dask, mpi)
    import_libraries()
    from mnemoscope.sweep.designs import find_design

    known = find_design(design)
    place = out or f"runs/{known.name}"
    with _workers(in_process, dask, mpi, workers) as executor:
        finished = _run(known, place, executor, workers)
    if json:
        failures = [vars(one) for one in finished.failures]
        print_json({"name": known.name, "place": place, **vars(finished), "failures": failures})
    else:
        print_lines(*_lines(finished, known.name, place))
    return FOUND if finished.failures else 0


def _run(
    known: "Design", place: str, executor: "Workers | None", workers: int | None
) -> "Finished":
    """Does the runs and shows their progress; Ctrl-C says how many are kept."""
    from mnemoscope.sweep import run as run_design

    now: SweepProgress | None = None
    with sweep_progress(known.name) as (show, fail):

        def remember(progress: "SweepProgress") -> None:
            nonlocal now
            now = progress
            show(progress)

        try:
            return run_design(
                known,
                place,
                executor=executor,
                workers=workers,
                on_progress=remember,
                on_failure=fail,
            )
        except KeyboardInterrupt as error:
            if now is None:
                raise
            raise KeyboardInterrupt(
                f"interrupted; {now.done:,} of {now.planned:,} runs are done and kept in {place}; "
                "to go on, run the same command again"
            ) from error


def _check_one(workers: int | None, in_process: bool, dask: str | None, mpi: bool) -> None:
    """Refuses two kinds of workers, and a number of workers where it has no meaning."""
    kinds = {"--in-process": in_process, "--dask": dask is not None, "--mpi": mpi}
    given = [name for name, is_given in kinds.items() if is_given]
    if len(given) > 1:
        raise MnemoscopeError(
            " and ".join(given), expected="one of them at most", todo="leave the others out"
        )
    if workers is not None and (workers < 1 or in_process or mpi):
        raise MnemoscopeError(
            f"--workers {workers}" + (f" with {given[0]}" if given and workers >= 1 else ""),
            expected="1 or more, for processes and --dask local",
            todo="leave it out",
            field="--workers",
        )


def _workers(
    in_process: bool, dask: str | None, mpi: bool, workers: int | None
) -> "AbstractContextManager[Workers | None]":
    from mnemoscope.sweep import executors

    if in_process:
        return nullcontext(executors.in_process())
    if dask is not None:
        return executors.dask_workers(dask, workers=workers)
    return executors.mpi_workers() if mpi else nullcontext()


def _lines(finished: "Finished", name: str, place: str) -> list[str]:
    stored = finished.present + finished.done
    lines = [
        f"{name}: {stored:,} of {finished.planned:,} runs are stored in {place}; "
        f"{finished.done:,} done now in {duration(finished.seconds)}: "
        f"{finished.interpolated:,} interpolated and {finished.diverged:,} diverged"
    ]
    if finished.failures:
        lost = sum(len(one.keys) for one in finished.failures)
        lines.append(f"{lost:,} could not be done; see mnemoscope sweep status {place}")
    elif stored:
        lines.append(f"see mnemoscope sweep report {place}")
    return lines
