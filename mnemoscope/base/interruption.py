"""Ctrl-C that waits for a step to end, so that what is saved is whole."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ONE = 1.0
"""Seconds in which several signals are one wish to end: shells and job managers send it twice."""


class Interruption:
    """Whether Ctrl-C was pressed.

    Attributes:
        asked: True from then on.
    """

    def __init__(self) -> None:
        self.asked = False
        self._since = 0.0

    def note(self) -> None:
        """Notes it; raises KeyboardInterrupt the second time, unless that is at once."""
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
        elif time.monotonic() - self._since > ONE:
            _note_raised()
            raise KeyboardInterrupt


_raised = float("-inf")

_open: list[Interruption] = []
"""The deferred sections of the main thread that are running, the innermost last."""


def interrupt() -> None:
    """Does what Ctrl-C does, also where a shell that started the process has it ignored.

    A deferred section notes it; where there is none, KeyboardInterrupt is raised, once a second.
    """
    if _open:
        _open[-1].note()
    elif time.monotonic() - _raised > ONE:
        _note_raised()
        raise KeyboardInterrupt


@contextmanager
def deferred_interrupt() -> Iterator[Interruption]:
    """Notes Ctrl-C instead of raising it; another one more than a second later raises at once.

    One that came after the body looked for the last time is raised when it ends. Outside the main
    thread, where signals cannot be handled, nothing is changed. Where Ctrl-C is ignored, as in a
    process that a script starts in the background, it stays ignored; `interrupt` is noted.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = signal.getsignal(signal.SIGINT)
    ignored = before is signal.SIG_IGN

    def note(number: int, frame: FrameType | None) -> None:
        interruption.note()

    _open.append(interruption)
    if not ignored:
        signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        _open.remove(interruption)
        if not ignored:
            # None: a handler that Python did not install and cannot put back.
            signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
    if interruption.asked:
        _note_raised()
        raise KeyboardInterrupt


@contextmanager
def raising_once() -> Iterator[None]:
    """Raises KeyboardInterrupt for Ctrl-C, and once only for several within a second.

    A second one would meet the code that deals with the first. Outside the main thread, and where
    Ctrl-C is ignored or handled otherwise, nothing is changed.
    """
    here = threading.current_thread() is threading.main_thread()
    _note_raised(float("-inf"))
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - _raised > ONE:
            _note_raised()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _note_raised(at: float | None = None) -> None:
    global _raised
    _raised = time.monotonic() if at is None else at
