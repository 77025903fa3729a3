"""`run`: does what a design plans and a store does not hold yet; loses nothing on the way."""

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import is_name
from mnemoscope.base.publishing import check_targets
from mnemoscope.base.text import short
from mnemoscope.nets.spec import check_device
from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.configuration import Run
from mnemoscope.sweep.configured import forget_examples
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.executors import Workers, available_cores, processes, workers_of
from mnemoscope.sweep.ledger import Failure, Ledger, read_failure
from mnemoscope.sweep.loading import FUNCTIONS, stored_keys
from mnemoscope.sweep.measurements import find_measurement
from mnemoscope.sweep.needed_memory import machine_memory, memory_of_group
from mnemoscope.sweep.process_pool import NoWorkers, WorkerLost
from mnemoscope.sweep.runs import Group, code_of_design, groups, measure_of, planned_runs
from mnemoscope.sweep.store import FOLDERS, Store, StoreError
from mnemoscope.sweep.work import TIMED_OUT, Done, OtherCode, RunError, Task, WorkTimeout, work

LOOK = 0.5
"""Time between two looks at the clock while no group ends (s)."""


@dataclass(frozen=True)
class SweepProgress:
    """The state of a sweep that runs.

    Attributes:
        planned: Number of all its runs.
        done: Runs whose rows are stored, those of earlier times among them.
        failed: Runs that could not be done.
        running: Groups that workers have.
        rate: Runs per second since it began.
        seconds_left: Time that it will take at the pace of its groups so far; None while unknown.
    """

    planned: int
    done: int
    failed: int
    running: int
    rate: float
    seconds_left: float | None


@dataclass(frozen=True)
class Finished:
    """The result of a sweep.

    Attributes:
        planned: Number of runs of the design.
        present: Runs that were stored before.
        done: Runs that were done now.
        interpolated: Runs done now that interpolated.
        diverged: Runs done now that diverged.
        failures: Runs that could not be done, and why; all planned runs are stored or named here.
        seconds: Duration.
        seconds_computing: Time that workers spent on training and measuring, together.
        retried: Number of times that a group was given to workers again.
    """

    planned: int
    present: int
    done: int
    interpolated: int
    diverged: int
    failures: tuple[Failure, ...]
    seconds: float
    seconds_computing: float
    retried: int


def run(
    design: Design,
    place: str | os.PathLike[str],
    *,
    executor: Executor | Workers | None = None,
    workers: int | None = None,
    on_progress: Callable[[SweepProgress], object] | None = None,
    on_failure: Callable[[Failure], object] | None = None,
) -> Finished:
    """Does all runs of a design that a store does not hold; if it is stopped, run it again.

    Each group is trained as replicas by one worker, which writes its rows. A group whose worker
    died or took too long is tried again, `design.retries` times, and then in halves, once each; a
    group that raises an error is tried in halves at once. In the end a single run is named with its
    reason, and all others are stored.

    Args:
        design: The design. It is checked whole before anything begins.
        place: A folder, or a URL that fsspec knows.
        executor: Any executor of `concurrent.futures`, or `Workers` of
            `mnemoscope.sweep.executors`; it is not shut down. Default: processes of this machine.
        workers: The number of processes, without an executor; default: one for each core.
        on_progress: Called when something has changed, and twice a second.
        on_failure: Called when runs have failed for good.

    Raises:
        MnemoscopeError: the design is wrong, or the folder holds other things.
        StoreError: the store cannot be written to; what is there stays.
        NoWorkers: no worker can begin, or the executor takes no more work.
        OtherCode: a worker has another version of the code.

    Example:
        >>> import tempfile
        >>> from mnemoscope.sweep import executors
        >>> few = {"source": "digits", "n": 2}
        >>> design = Design(name="a", data=few, training={"max_steps": 9}, seeds=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run(design, folder, executor=executors.in_process()).done
        3
    """
    forget_examples()
    code = code_of_design(design)
    planned = planned_runs(design, code)
    check_design(design)
    store = Store(place)
    _check_place(store, design)
    store.tidy()
    there = stored_keys(store, layout(design))
    _forget_done(store, there)
    todo = missing_groups(design, planned, there)
    if executor is None:
        check_device(design.device)
        _check_memory(todo)
    if store.folder is not None:
        check_targets(store.folder, [one.rows(layout(design)) for one in todo])
    ledger = Ledger(store, design, code, len(planned))
    ledger.begin(planned)
    with ExitStack() as stack:
        found = workers_of(executor) if executor is not None else None
        if executor is None and todo:
            count = min(workers or available_cores(), len(todo))
            found = stack.enter_context(processes(max(1, count), design.timeout))
        driver = _Driver(ledger, found, on_progress, on_failure)
        finished = driver.drive(todo, sum(run.key in there for run in planned))
    _check_stored(store, driver.stored)
    return finished


def missing_groups(design: Design, planned: Sequence[Run], there: frozenset[str]) -> list[Group]:
    """Returns the groups of the runs that are not stored.

    The most expensive ones come first, so that no worker is left alone with one in the end.
    """
    cut = groups(planned, design.group_size)
    left = [Group(tuple(run for run in group.runs if run.key not in there)) for group in cut]
    return sorted((group for group in left if group.runs), key=group_cost, reverse=True)


def layout(design: Design) -> str:
    """Returns the name of the folder of the rows: a hash of their columns."""
    take = measure_of(design).take
    columns = [*ALWAYS]
    columns += [f"{name}:{list(find_measurement(name).columns)}" for name in take]
    ending = FUNCTIONS if any(map(is_name, take)) else ""
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:8] + ending


@dataclass(frozen=True)
class _Try:
    """A group, the number of times that it may be given out again whole, and that it was before."""

    group: Group
    retries: int
    attempt: int = 0


class _Driver:
    """Gives groups to workers and handles what comes back."""

    def __init__(
        self,
        ledger: Ledger,
        workers: Workers | None,
        on_progress: Callable[[SweepProgress], object] | None,
        on_failure: Callable[[Failure], object] | None,
    ) -> None:
        self.ledger, self.design, self.workers = ledger, ledger.design, workers
        self.on_progress, self.on_failure = on_progress, on_failure
        self.layout = layout(ledger.design)
        self.waiting: deque[_Try] = deque()
        self.running: dict[Future[Done], _Try] = {}
        self.failures: list[Failure] = []
        self.done: list[Done] = []
        self.stored: set[str] = set()
        self.retried = 0
        self.begun = time.monotonic()
        self.cost_done = self.cost_all = 0.0

    def drive(self, todo: Sequence[Group], present: int) -> Finished:
        """Works until every run is stored or has failed for good."""
        self.present = present
        self.waiting.extend(_Try(group, self.design.retries) for group in todo)
        self.cost_all = sum(map(group_cost, todo))
        state = "stopped"
        try:
            self._report("running")
            while self.waiting or self.running:
                self._give_out()
                done, _ = wait(self.running, timeout=LOOK, return_when="FIRST_COMPLETED")
                for future in done:
                    self._receive(future, self.running.pop(future))
                self._report("running")
            state = "done"
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        finally:
            for future in self.running:
                future.cancel()
            if state == "done":
                self._report(state)
            else:
                self.running.clear()
                # Where the store fails, the first error counts.
                with suppress(StoreError):
                    self._note(self._progress(), state)
        return Finished(
            planned=self.ledger.planned,
            present=present,
            done=self._sum("runs"),
            interpolated=self._sum("interpolated"),
            diverged=self._sum("diverged"),
            failures=tuple(self.failures),
            seconds=time.monotonic() - self.begun,
            seconds_computing=self._sum("seconds_computing"),
            retried=self.retried,
        )

    def _sum(self, field: str) -> Any:
        return sum(getattr(one, field) for one in self.done)

    def _give_out(self) -> None:
        room = self.workers.room if self.workers else 0
        while self.waiting and self.workers and len(self.running) < room:
            this = self.waiting.popleft()
            executor = self.workers.for_device(self.design.device)
            try:
                future = executor.submit(work, self._task(this, self.workers))
            except RuntimeError as error:
                # It was shut down, or is broken as a whole since one of its processes died.
                raise NoWorkers(
                    f"an executor that takes no more work ({error})",
                    expected="one that runs until the sweep has ended",
                    todo="run the sweep again: what is done is kept",
                ) from error
            self.running[future] = this

    def _task(self, this: _Try, workers: Workers) -> Task:
        return Task(
            # A worker may have been started in another folder.
            store=self.ledger.store.absolute,
            group=this.group,
            layout=self.layout,
            code=self.ledger.code,
            keep_weights=self.design.keep_weights,
            device=self.design.device,
            timeout=self.design.timeout,
            watch=workers.watch,
            attempt=this.attempt,
        )

    def _receive(self, future: Future[Done], this: _Try) -> None:
        try:
            self.done.append(future.result())
        except (StoreError, NoWorkers, OtherCode):
            raise
        except Exception as error:
            self._requeue(this, error)
        else:
            self.stored.add(this.group.rows(self.layout))
            self.cost_done += group_cost(this.group)

    def _requeue(self, this: _Try, error: Exception) -> None:
        """Tries a group again, whole or in halves; a single run has failed for good."""
        group, lost = this.group, _lost(error)
        if lost and this.attempt < this.retries:
            self.retried += 1
            self.waiting.append(replace(this, attempt=this.attempt + 1))
        elif len(group.runs) > 1:
            self.retried += 1
            # It was not the worker, so only the run that is left in the end is tried again.
            self.waiting.extend(
                _Try(half, self.design.retries if len(half.runs) == 1 else 0)
                for half in group.halves()
            )
        else:
            reason = self._reason(group, error, lost=lost)
            keys = tuple(one.key for one in group.runs)
            failure = Failure(group.name, keys, reason, this.attempt + 1)
            self.failures.append(failure)
            self.ledger.fail(failure)
            if self.on_failure is not None:
                self.on_failure(failure)

    def _reason(self, group: Group, error: Exception, *, lost: bool) -> str:
        if not lost:
            known = isinstance(error, MnemoscopeError | RunError)
            kind = "" if known else f"{type(error).__name__}: "
            return kind + " ".join(str(error).split())
        log = self.ledger.store.read(f"logs/{group.name}.log") or b""
        last = log.rpartition(b"  attempt ")[2]
        late = TIMED_OUT.encode() in last or isinstance(error, TookTooLong | WorkTimeout)
        limit = f"it took longer than {self.design.timeout:g} s, where it was ended"
        return limit if late else "the process that computed it died"

    def _report(self, state: str) -> None:
        now = self._progress()
        self._note(now, state)
        if self.on_progress is not None:
            self.on_progress(now)

    def _note(self, now: SweepProgress, state: str) -> None:
        self.ledger.note(
            last=state != "running",
            state=state,
            done=now.done,
            failed=now.failed,
            interpolated=self._sum("interpolated"),
            diverged=self._sum("diverged"),
            running=[this.group.name for this in self.running.values()],
            rate=now.rate,
            seconds=time.monotonic() - self.begun,
            seconds_computing=self._sum("seconds_computing"),
        )

    def _progress(self) -> SweepProgress:
        passed = time.monotonic() - self.begun
        left = self.cost_all - self.cost_done
        done = self._sum("runs")
        return SweepProgress(
            planned=self.ledger.planned,
            done=self.present + done,
            failed=sum(len(one.keys) for one in self.failures),
            running=len(self.running),
            rate=done / passed if passed else 0.0,
            seconds_left=passed * left / self.cost_done if self.cost_done else None,
        )


def _lost(error: BaseException) -> bool:
    """Returns whether a worker was lost, which may have nothing to do with its runs."""
    if isinstance(error, WorkerLost | WorkTimeout | TookTooLong | CancelledError):
        return True
    # Errors of Dask and of the standard library's pools, which need not be imported.
    return type(error).__name__ in ("KilledWorker", "BrokenProcessPool", "FutureCancelledError")


def group_cost(group: Group) -> float:
    """Estimates the cost of a group, up to a factor: weights times examples times steps."""
    known = group.runs[0].configuration
    return len(group.runs) * (1e4 + known.spec.parameters_count() * (known.data.n or 1))


def check_design(design: Design) -> None:
    """Refuses fields that do not fit together."""
    if design.keep_weights == "stored" and "stored" not in measure_of(design).take:
        raise MnemoscopeError(
            "keep_weights='stored' without measuring it",
            expected="`stored` among the measurements",
            todo="add it to `measure.take`, or keep 'all' or 'none'",
            field="keep_weights",
        )


def _check_memory(todo: Sequence[Group]) -> None:
    """Refuses runs that the processes of this machine cannot train, even alone."""
    here = machine_memory()
    for group in todo:
        one = group.runs[0]
        needed = memory_of_group([one.configuration])
        if here is not None and needed > here:
            setting = ", ".join(f"{path}={short(value)}" for path, value in one.factors.items())
            raise MnemoscopeError(
                f"{setting or 'a run'}, which takes at least {needed / 1e9:,.0f} GB",
                expected=f"at most {here / 1e9:,.0f} GB, what this machine has",
                todo="choose a smaller network, or workers that have more (--dask, --mpi)",
            )


def _check_place(store: Store, design: Design) -> None:
    """Refuses a folder that holds other things."""
    root = store.folder
    if root is None:
        return
    if root.exists() and not root.is_dir():
        raise MnemoscopeError(
            f"{root}, which is a file", expected="a folder", todo="choose another one"
        )
    if root.is_dir() and not (root / "plans").is_dir():
        others = [path for path in root.iterdir() if not path.name.startswith(".")]
        if others:
            raise MnemoscopeError(
                f"{root}, which already holds other things, such as {others[0].name}",
                expected="a new or empty folder, or one of a sweep",
                todo="choose another one",
            )
    plans = [f"plans/{design.name}.{kind}" for kind in ("json", "parquet")]
    # What cannot be written is refused before anything is trained.
    below = [f"{folder}/any" for folder in (*FOLDERS, "logs", f"rows/{layout(design)}")]
    check_targets(root, [*plans, *below])


def _check_stored(store: Store, names: set[str]) -> None:
    """Refuses a sweep whose workers stored their files elsewhere."""
    folders = {name.rpartition("/")[0] for name in names}
    lost = names.difference(*(store.names(folder) for folder in folders))
    if lost:
        raise StoreError(
            f"{len(lost)} of {len(names)} files that workers stored are not in {store.place}",
            expected="a folder or URL that all workers share",
            todo="choose one and run the sweep again",
        )


def _forget_done(store: Store, there: frozenset[str]) -> None:
    """Removes notes of failures whose runs have been done since, and broken notes."""
    for name, content in store.read_all(store.names("failures")).items():
        failure = read_failure(content)
        if failure is None or all(key in there for key in failure.keys):
            store.remove(name)
