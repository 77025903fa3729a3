"""An executor of processes of this machine, where one that dies takes no other's group along."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures import TimeoutError as TookTooLong
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from mnemoscope.base.errors import MnemoscopeError

GRACE = 10.0
"""Seconds that a worker has to end itself before it is killed: one that was stopped cannot."""

START = 300.0
"""Seconds that a process has to begin: it imports PyTorch, perhaps from a slow disk."""

STARTS = 3
"""How often a process is begun before that is given up."""


class NoWorkers(MnemoscopeError):
    """No worker can do the work: no fault of a run."""


class WorkerLost(RuntimeError):
    """The process that computed a group died, and not by an error of Python."""


class Processes(Executor):
    """Pools of one process each, spawned, with one thread.

    A pool of many processes is broken as a whole when one of them is killed, and does not say which
    of its calls was to blame. A process that is lost is replaced.

    Args:
        workers: How many.
        timeout: Seconds after which a call's process is killed; never if None.
    """

    def __init__(self, workers: int, timeout: float | None = None) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            raise MnemoscopeError(
                "a script that starts processes where it is imported",
                expected='processes that are started under `if __name__ == "__main__":`',
                todo="put it there, as the processes it starts import the script too",
            )
        self._timeout = timeout
        self._pools: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(workers):
            self._pools.put(_pool())
        self._all = threading.Lock()
        self._busy: set[ProcessPoolExecutor] = set()
        self._begun: set[ProcessPoolExecutor] = set()
        self._ended = False
        # It starts with the first process, and would let Ctrl-C through to the thread that it has.
        resource_tracker.ensure_running()
        self._threads = ThreadPoolExecutor(
            workers, thread_name_prefix="sweep", initializer=_leave_ctrl_c_to_others
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Calls the function in a process, once one is free.

        The future raises `WorkerLost` if the process died, a `TimeoutError` if it was killed for
        taking too long, `NoWorkers` if no process begins.
        """
        return self._threads.submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        pool = self._pools.get()
        whole = False
        try:
            pool = self._started(pool)
            result = pool.submit(fn, *args, **kwargs).result(self._timeout)
            whole = True
            return result
        except BrokenProcessPool as error:
            raise WorkerLost("the process that computed it died") from error
        except TookTooLong:
            raise
        except Exception:
            whole = True
            raise
        finally:
            with self._all:
                self._busy.discard(pool)
            self._pools.put(pool if whole else self._instead_of(pool))

    def _started(self, pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
        """Returns the pool, or a new one, whose process has begun and is still there."""
        for _ in range(STARTS):
            with self._all:
                if self._ended:
                    raise CancelledError
                self._busy.add(pool)
                if pool in self._begun and _alive(pool):
                    return pool
            try:
                pool.submit(os.getpid).result(START)
            except (BrokenProcessPool, TookTooLong):
                with self._all:
                    self._busy.discard(pool)
                pool = self._instead_of(pool)
            else:
                with self._all:
                    self._begun.add(pool)
                return pool
        raise NoWorkers(
            f"processes that end before they have begun, {STARTS} of {STARTS}",
            expected="processes that can import mnemoscope and the script that was started",
            todo='start them under `if __name__ == "__main__":`, and see what they print',
        )

    def _instead_of(self, pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
        with self._all:
            self._begun.discard(pool)
        _kill(pool)
        return _pool()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends all processes; with `cancel_futures` also those that are computing."""
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        killed = []
        if cancel_futures:
            with self._all:
                self._ended = True
                killed = [process for pool in self._busy for process in _kill(pool)]
        self._threads.shutdown(wait=wait)
        if wait:
            # A call is over when the pipe of its process closes, a moment before the process is.
            for process in killed:
                process.join(GRACE)
        while not self._pools.empty():
            self._pools.get().shutdown(wait=wait, cancel_futures=True)


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )


def _alive(pool: ProcessPoolExecutor) -> bool:
    # One that died while it was idle may not have been noticed yet.
    return all(process.is_alive() for process in list((pool._processes or {}).values()))


def _leave_ctrl_c_to_others() -> None:
    """Returns a process inherits what its thread leaves blocked, from its first instruction on."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _begin() -> None:
    """Returns a worker leaves Ctrl-C to the driver, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _kill(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    # Python 3.14 has a method for it; the attribute is the same in all before.
    processes = list((getattr(pool, "_processes", None) or {}).values())
    for process in processes:
        with suppress(OSError, ValueError):
            process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
    return processes
