"""`run`: does what a design plans and a store has not; loses nothing on the way."""

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import is_name
from mnemoscope.base.publishing import check_targets
from mnemoscope.base.text import short
from mnemoscope.nets.spec import check_device
from mnemoscope.sweep.configured import forget_examples
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.executors import (
    NoWorkers,
    WorkerLost,
    Workers,
    available_cores,
    processes,
    workers_of,
)
from mnemoscope.sweep.groups import Group, groups
from mnemoscope.sweep.ledger import Failure, Ledger, read_failure
from mnemoscope.sweep.load import FUNCTIONS, stored_keys
from mnemoscope.sweep.measurements import find_measurement
from mnemoscope.sweep.needed_memory import machine_memory, memory_of_group
from mnemoscope.sweep.rows import IDENTITY, OUTCOME, SETTINGS
from mnemoscope.sweep.runs import code_of_design, measure_of, planned_runs
from mnemoscope.sweep.store import FOLDERS, LocalStore, Store, StoreError, absolute, open_store
from mnemoscope.sweep.work import TIMED_OUT, Done, OtherCode, RunError, Task, WorkTimeout, work

LOOK = 0.5
"""Seconds between two looks at the clock while nothing comes."""


@dataclass(frozen=True)
class SweepProgress:
    """Where a sweep stands.

    Attributes:
        planned: All its runs.
        done: Those whose rows are stored, those of earlier times among them.
        failed: Those that could not be done.
        running: Groups with the workers.
        rate: Runs a second, since it began.
        seconds_left: What it will take at the pace of its groups so far; None while unknown.
    """

    planned: int
    done: int
    failed: int
    running: int
    rate: float
    seconds_left: float | None


@dataclass(frozen=True)
class Finished:
    """What came of a sweep.

    Attributes:
        planned: How many runs the design has.
        present: How many of them were stored before.
        done: How many were done now.
        interpolated: How many of those done now interpolated.
        diverged: How many of them diverged.
        failures: What could not be done, and why; all planned runs are stored or named here.
        seconds: How long it took.
        seconds_computing: How long workers trained and measured, together.
        retried: How often a group was given out again.
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
    """Does all runs of a design that a store has not; whatever stops it, run it again.

    Each group is trained as replicas by one worker, which writes its rows. A group whose worker
    died or took too long is tried again, `design.retries` times, and then in halves, once each; one
    that raises an error in halves at once; so that in the end a single run is named with its
    reason, and all others are stored. A pool of the standard library is broken as a whole when one
    of its processes dies, and ends the sweep: ours are not.

    Args:
        design: What to run. It is checked whole before anything begins.
        place: A folder, or a URL that fsspec knows.
        executor: Any executor of `concurrent.futures`, or `Workers` of
            `mnemoscope.sweep.executors`; processes of this machine if left out. It is not shut
            down.
        workers: How many processes, without an executor; one for each core if left out.
        on_progress: Called when something has changed, and twice a second.
        on_failure: Called when runs have failed for good.

    Raises:
        MnemoscopeError: the design is wrong, or the folder holds other things.
        StoreError: the store cannot be written to; what is there stays.
        NoWorkers: no worker can begin, or the executor takes no more work.
        OtherCode: a worker has another version of the code.

    Example:
        >>> import tempfile
        >>> from mnemoscope.sweep import Design, load, run
        >>> from mnemoscope.sweep.executors import in_process
        >>> design = Design(
        ...     name="tiny", data={"source": "digits", "n": 2}, spec={"width": 16},
        ...     training={"max_steps": 2000}, grid={"spec.depth": [1, 2]}, seeds=2,
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     finished = run(design, folder, executor=in_process())
        ...     rows = load(folder).collect()
        >>> finished.done, sorted(rows["depth"].to_list())
        (4, [1, 1, 2, 2])
    """
    forget_examples()
    code = code_of_design(design)
    planned = planned_runs(design, code)
    check_design(design)
    store = open_store(place)
    _check_place(store, design)
    store.tidy()
    there = stored_keys(store, layout(design))
    _forget_done(store, there)
    todo = [
        Group(left)
        for group in groups(planned, design.group_size)
        if (left := tuple(run for run in group.runs if run.key not in there))
    ]
    # The dearest first, so that no worker is left alone with it in the end.
    todo.sort(key=group_cost, reverse=True)
    if executor is None:
        check_device(design.device)
        _check_memory(design, todo)
    if isinstance(store, LocalStore):
        check_targets(store.root, [f"rows/{layout(design)}/{one.name}.parquet" for one in todo])
    ledger = Ledger(store, design, code, len(planned))
    ledger.begin(planned)
    with ExitStack() as stack:
        if executor is None:
            count = workers or available_cores()
            count = max(1, min(count, len(todo)))
            found = stack.enter_context(processes(count, design.timeout)) if todo else None
        else:
            found = workers_of(executor)
        driver = _Driver(design, ledger, code, found, on_progress, on_failure)
        finished = driver.drive(todo, len(planned), sum(run.key in there for run in planned))
    _check_stored(store, driver.stored)
    return finished


def layout(design: Design) -> str:
    """The folder of the rows: a hash of their columns."""
    take = measure_of(design).take
    columns = [*IDENTITY, *SETTINGS, *OUTCOME]
    columns += [f"{name}:{list(find_measurement(name).columns)}" for name in take]
    ending = FUNCTIONS if any(map(is_name, take)) else ""
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:8] + ending


@dataclass(frozen=True)
class _Try:
    """A group that is given out.

    Attributes:
        group: Which.
        retries: How often it may be given out again whole if its worker is lost.
        attempt: How often it was before.
    """

    group: Group
    retries: int
    attempt: int = 0

    def again(self) -> "_Try":
        """The next one of the same group."""
        return replace(self, attempt=self.attempt + 1)


class _Driver:
    """Gives groups to workers and deals with what comes back."""

    def __init__(
        self,
        design: Design,
        ledger: Ledger,
        code: str,
        workers: Workers | None,
        on_progress: Callable[[SweepProgress], object] | None,
        on_failure: Callable[[Failure], object] | None,
    ) -> None:
        self.design, self.ledger, self.code = design, ledger, code
        self.workers = workers
        self.on_progress, self.on_failure = on_progress, on_failure
        self.layout = layout(design)
        self.waiting: deque[_Try] = deque()
        self.running: dict[Future[Done], _Try] = {}
        self.failures: list[Failure] = []
        self.stored: set[str] = set()
        self.done = self.interpolated = self.diverged = self.retried = 0
        self.computing = 0.0
        self.begun = time.monotonic()
        self.cost_done = self.cost_all = 0.0

    def drive(self, todo: Sequence[Group], planned: int, present: int) -> Finished:
        """Works until every run is stored or has failed for good."""
        self.planned, self.present = planned, present
        self.waiting.extend(_Try(group, self.design.retries) for group in todo)
        self.cost_all = sum(map(group_cost, todo))
        state = "stopped"
        try:
            self._tell("running")
            while self.waiting or self.running:
                self._give_out()
                done, _ = wait(self.running, timeout=LOOK, return_when="FIRST_COMPLETED")
                for future in done:
                    self._take_back(future, self.running.pop(future))
                self._tell("running")
            state = "done"
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        finally:
            for future in self.running:
                future.cancel()
            if state == "done":
                self._tell(state, last=True)
            else:
                self._tell_of_the_end(state)
        return Finished(
            planned=planned,
            present=present,
            done=self.done,
            interpolated=self.interpolated,
            diverged=self.diverged,
            failures=tuple(self.failures),
            seconds=time.monotonic() - self.begun,
            seconds_computing=self.computing,
            retried=self.retried,
        )

    def _give_out(self) -> None:
        room = self.workers.room if self.workers else 0
        while self.waiting and self.workers and len(self.running) < room:
            this = self.waiting.popleft()
            executor = self.workers.for_device(self.design.device)
            task = self._task(this.group, this.attempt, self.workers)
            try:
                future = executor.submit(work, task)
            except RuntimeError as error:
                # One that is shut down, or broken as a whole since one of its processes died.
                raise NoWorkers(
                    f"an executor that takes no more work ({error})",
                    expected="one that runs until the sweep has ended",
                    todo="run the sweep again: what is done is kept",
                ) from error
            self.running[future] = this

    def _task(self, group: Group, attempt: int, workers: Workers) -> Task:
        return Task(
            # A worker may have been started in another folder.
            store=absolute(self.ledger.store),
            group=group.name,
            layout=self.layout,
            keys=tuple(one.key for one in group.runs),
            runs=tuple(one.configuration for one in group.runs),
            first=tuple(one.first for one in group.runs),
            code=self.code,
            keep_weights=self.design.keep_weights,
            device=self.design.device,
            timeout=self.design.timeout,
            watch=workers.watch,
            attempt=attempt,
        )

    def _take_back(self, future: Future[Done], this: _Try) -> None:
        try:
            done = future.result()
        except (StoreError, NoWorkers, OtherCode):
            raise
        except Exception as error:
            self._again(this, error)
        else:
            self.stored.add(f"rows/{self.layout}/{this.group.name}.parquet")
            self.done += done.runs
            self.interpolated += done.interpolated
            self.diverged += done.diverged
            self.computing += done.seconds_computing
            self.cost_done += group_cost(this.group)

    def _again(self, this: _Try, error: BaseException) -> None:
        """Another try, in halves, or the end of it."""
        group, lost = this.group, _lost(error)
        if lost and this.attempt < this.retries:
            self.retried += 1
            self.waiting.append(this.again())
        elif len(group.runs) > 1:
            self.retried += 1
            # It was not the worker, so only the run that is left in the end is tried again.
            self.waiting.extend(
                _Try(half, self.design.retries if len(half.runs) == 1 else 0)
                for half in group.halves()
            )
        else:
            failure = Failure(
                group.name,
                tuple(one.key for one in group.runs),
                self._reason(group, error, lost=lost),
                this.attempt + 1,
            )
            self.failures.append(failure)
            self.ledger.fail(failure)
            if self.on_failure is not None:
                self.on_failure(failure)

    def _reason(self, group: Group, error: BaseException, *, lost: bool) -> str:
        if not lost:
            told = isinstance(error, MnemoscopeError | RunError)
            kind = "" if told else f"{type(error).__name__}: "
            return kind + " ".join(str(error).split())
        log = self.ledger.store.read(f"logs/{group.name}.log") or b""
        last = log.rpartition(b"  attempt ")[2]
        late = TIMED_OUT.encode() in last or isinstance(error, TookTooLong | WorkTimeout)
        limit = f"it took longer than {self.design.timeout:g} s, where it was ended"
        return limit if late else "the process that computed it died"

    def _tell(self, state: str, *, last: bool = False) -> None:
        now = self._progress()
        self._note(now, state, last=last)
        if self.on_progress is not None:
            self.on_progress(now)

    def _note(self, now: SweepProgress, state: str, *, last: bool) -> None:
        self.ledger.note(
            last=last,
            state=state,
            done=now.done,
            failed=now.failed,
            interpolated=self.interpolated,
            diverged=self.diverged,
            running=[this.group.name for this in self.running.values()],
            rate=now.rate,
            seconds=time.monotonic() - self.begun,
            seconds_computing=self.computing,
        )

    def _tell_of_the_end(self, state: str) -> None:
        """A last note of a sweep that was stopped; where that fails too, the first error counts."""
        try:
            self.running.clear()
            self._note(self._progress(), state, last=True)
        except StoreError:
            return

    def _progress(self) -> SweepProgress:
        passed = time.monotonic() - self.begun
        left = self.cost_all - self.cost_done
        return SweepProgress(
            planned=self.planned,
            done=self.present + self.done,
            failed=sum(len(one.keys) for one in self.failures),
            running=len(self.running),
            rate=self.done / passed if passed else 0.0,
            seconds_left=passed * left / self.cost_done if self.cost_done else None,
        )


def _lost(error: BaseException) -> bool:
    """Whether a worker was lost, which may have nothing to do with its runs."""
    if isinstance(error, WorkerLost | WorkTimeout | TookTooLong | CancelledError):
        return True
    # Of Dask and of the standard library's own pools, which need not be installed or imported.
    return type(error).__name__ in ("KilledWorker", "BrokenProcessPool", "FutureCancelledError")


def group_cost(group: Group) -> float:
    """What a group costs, but for a factor: entries of its weights times examples times steps."""
    known = group.runs[0].configuration
    return len(group.runs) * (1e4 + known.spec.parameters_count() * (known.data.n or 1))


def check_design(design: Design) -> None:
    """Refuses what no single field tells.

    Raises:
        MnemoscopeError: stored networks are to be kept, and whether they are is not measured.
    """
    if design.keep_weights == "stored" and "stored" not in measure_of(design).take:
        raise MnemoscopeError(
            f"{design.place('keep_weights')}, keep_weights = 'stored' without measuring it",
            expected="`stored` among the measurements",
            todo="add it to `measure.take`, or keep 'all' or 'none'",
        )


def _check_memory(design: Design, todo: Sequence[Group]) -> None:
    """Refuses runs that the processes of this machine cannot train, even alone."""
    here = machine_memory()
    for group in todo:
        one = group.runs[0]
        needed = memory_of_group([one.configuration])
        if here is not None and needed > here:
            told = ", ".join(f"{path}={short(value)}" for path, value in one.factors.items())
            raise MnemoscopeError(
                f"{design.place(*one.factors)}, {told or 'a run'}, which takes at least "
                f"{needed / 1e9:,.0f} GB",
                expected=f"at most {here / 1e9:,.0f} GB, what this machine has",
                todo="choose a smaller network, or workers that have more (--dask, --mpi)",
            )


def _check_place(store: Store, design: Design) -> None:
    """Refuses a folder that holds other things."""
    if not isinstance(store, LocalStore):
        return
    root = Path(store.place)
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
    """Refuses to call done what workers have stored where nobody finds it."""
    folders = {name.rpartition("/")[0] for name in names}
    lost = names.difference(*(store.names(folder) for folder in folders))
    if lost:
        raise StoreError(
            f"{len(lost)} of {len(names)} files that workers stored are not in {store.place}",
            expected="a folder or URL that all workers share",
            todo="choose one and run the sweep again",
        )


def _forget_done(store: Store, there: frozenset[str]) -> None:
    """Removes the notes of failures whose runs have been done since, and notes that are broken."""
    for name, content in store.read_all(store.names("failures")).items():
        failure = read_failure(content)
        if failure is None or all(key in there for key in failure.keys):
            store.remove(name)
