"""The work on one group: train, measure, store."""

import faulthandler
import io
import os
import signal
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Literal

import torch

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import Network, save
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.columns import DIVERGED, STATUS
from mnemoscope.sweep.fitting import Fitted, fit, network_of
from mnemoscope.sweep.measurements import code_of
from mnemoscope.sweep.runs import Group
from mnemoscope.sweep.store import OF_A_DISK, Store, unusable

Watch = Literal["exit", "alarm", "none"]
"""The end of a worker that takes too long: its process exits, which even a computation that hangs
in C cannot prevent; an alarm raises an error in it; or not at all."""

TIMED_OUT = "Timeout ("
"""Begin of the message of faulthandler that a process took too long."""

SENDING = 5.0
"""Time for a log to reach a remote store (s)."""

ALONE = threading.RLock()
"""Held while a group is computed: standard output, the timer that ends a group, the number of
threads and the filters of warnings belong to the whole process."""


@dataclass(frozen=True)
class Task:
    """A group as it travels to a worker.

    Attributes:
        store: The folder or URL of the sweep.
        group: Its runs.
        layout: The folder of its rows.
        code: The version of the code that planned it.
        keep_weights: The networks that are kept.
        device: Device to compute on.
        timeout: Time limit (s).
        watch: How the limit is enforced.
        attempt: Number of earlier attempts.
    """

    store: str
    group: Group
    layout: str
    code: str
    keep_weights: Literal["none", "stored", "all"]
    device: str
    timeout: float
    watch: Watch
    attempt: int = 0


@dataclass(frozen=True)
class Done:
    """What a worker did: its runs, how many interpolated and diverged, and the time it took (s)."""

    runs: int
    interpolated: int
    diverged: int
    seconds_computing: float


class WorkTimeout(MnemoscopeError):
    """A group exceeded its time limit."""


class OtherCode(MnemoscopeError):
    """A worker has another version of the code than the driver: no fault of a run."""


class RunError(RuntimeError):
    """Another error of a run: its type and message, in plain text."""


class _Alarm(BaseException):
    """Passes through code of a user that catches every `Exception`."""


def work(task: Task) -> Done:
    """Trains and measures a group and stores its rows.

    Rows are written last: a group whose rows are there is done. Threads of one process work one
    after the other.
    """
    store = Store(task.store)
    try:
        with (
            ALONE,
            _log(store, task) as log,
            _watched(store, task, log),
            _one_thread(task.device),
        ):
            return _computed(store, task, log)
    except (Exception, SystemExit, _Alarm) as error:
        sendable = _sendable(task, error)
    # Its cause is in the log, and might not survive the way to the driver.
    sendable.__cause__ = sendable.__context__ = None
    raise sendable.with_traceback(None)


def _sendable(task: Task, error: BaseException) -> Exception:
    """Converts an error to one that can be pickled."""
    if isinstance(error, _Alarm):
        return WorkTimeout(
            f"a group that took longer than {task.timeout:g} s",
            expected="one that ends before",
            todo="give it more time (`timeout`) or fewer runs (`group_size`)",
        )
    if isinstance(error, MnemoscopeError):
        return error
    if isinstance(error, OSError) and error.errno in OF_A_DISK:
        return unusable("write", error.filename or task.store, error)
    return RunError(f"{type(error).__name__}: {error}")


def _computed(store: Store, task: Task, log: IO[str]) -> Done:
    begun = time.perf_counter()
    runs, group = task.group.runs, task.group.name
    known = runs[0].configuration
    if code_version() + code_of(known.measure) != task.code:
        raise OtherCode(
            f"a worker on {socket.gethostname()} with another version of the code",
            expected="the version that planned the sweep",
            todo="install that version everywhere and run the sweep again: what is done is kept",
        )

    def say(line: str) -> None:
        print(f"{time.perf_counter() - begun:8.2f} s  {line}", file=log, flush=True)

    say(f"{len(runs)} runs of {known.spec!r} on {known.data.n} of {known.data.source}")
    # Measured functions may print; the driver may print JSON.
    with redirect_stdout(log):
        fitted = fit(runs, group, task.code, device=task.device, say=say)
    if task.keep_weights != "none":
        _keep_weights(store, task, fitted)
    content = io.BytesIO()
    fitted.table.write_parquet(content)
    store.write(task.group.rows(task.layout), content.getvalue())
    statuses = fitted.table["status"].to_list()
    interpolated, _, diverged = map(statuses.count, STATUS)
    say(f"stored {len(runs)} rows; {interpolated} interpolated, {diverged} diverged")
    seconds = fitted.seconds_training + fitted.seconds_measuring
    return Done(len(runs), interpolated, diverged, seconds)


def _keep_weights(store: Store, task: Task, fitted: Fitted) -> None:
    for row, one in enumerate(fitted.table.iter_rows(named=True)):
        if one["status"] != DIVERGED and (task.keep_weights == "all" or one["stored"]):
            network = network_of(fitted, task.group.runs, row)
            store.write(f"weights/{one['key']}.safetensors", saved(network))


def saved(network: Network) -> bytes:
    """Returns the content of a network's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        save(network, path)
        return path.read_bytes()


@contextmanager
def _log(store: Store, task: Task) -> Iterator[IO[str]]:
    """Opens the group's log: lines as they come, and in the end the error, if there is one."""
    name = f"logs/{task.group.name}.log"
    if store.folder is not None:
        path = store.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            log = path.open("a", encoding="utf-8", buffering=1, errors="backslashreplace")
        except OSError as error:
            raise unusable("write", str(path), error) from error
    else:
        log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
    with log:
        try:
            print(
                f"{datetime.now(UTC).isoformat(timespec='seconds')}  attempt "
                f"{task.attempt + 1} on {socket.gethostname()}, process {os.getpid()}",
                file=log,
            )
            yield log
        except BaseException:
            traceback.print_exc(file=log)
            raise
        finally:
            if store.folder is None:
                _send_log(store, name, log)


def _send_log(store: Store, name: str, log: IO[str]) -> None:
    log.seek(0)
    before = store.read(name) or b""
    store.write(name, before + log.read().encode())


@contextmanager
def _watched(store: Store, task: Task, log: IO[str]) -> Iterator[None]:
    """Ends the work once it exceeds its time limit."""
    if task.watch == "exit":
        sender = threading.Timer(task.timeout, _end, (store, task, log))
        sender.daemon = True
        late = 0.0
        if store.folder is None:
            # The log would be lost with the process. If sending it hangs, faulthandler ends it.
            late = SENDING
            sender.start()
        # A thread of C that needs no interpreter; it writes where the work hangs.
        faulthandler.dump_traceback_later(task.timeout + late, exit=True, file=log)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            sender.cancel()
        return
    if task.watch == "none" or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _Alarm

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, task.timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _end(store: Store, task: Task, log: IO[str]) -> None:
    """Ends this process, after its log is sent to the store."""
    try:
        print(f"{TIMED_OUT}{task.timeout:g} s)!", file=log, flush=True)
        faulthandler.dump_traceback(file=log)
        _send_log(store, f"logs/{task.group.name}.log", log)
    finally:
        os._exit(1)


@contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """Computes on one thread: there is a worker for each core."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
