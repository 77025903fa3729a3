"""An executor that computes at once, here."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from mnemoscope.sweep.executors.workers import Workers


class InProcess(Executor):
    """Computes in the calling thread when something is submitted: for a debugger, and for tests."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Calls the function; what it returns or raises is in the future."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def in_process() -> Workers:
    """One group after the other, in this process; an alarm ends one that takes too long."""
    return Workers(InProcess(), slots=1)
