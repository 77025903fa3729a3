"""Ctrl-C that waits for a step to end, so that what is saved is whole."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ONE = 1.0
"""Seconds in which several signals are one wish to end: shells and job managers send it twice."""


_raised = float("-inf")


class Interruption:
    """Whether Ctrl-C was pressed.

    Attributes:
        asked: True from then on.
    """

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def deferred_interrupt() -> Iterator[Interruption]:
    """Notes Ctrl-C instead of raising it; another one more than a second later raises at once.

    One that came after the body looked for the last time is raised when it ends. Outside the main
    thread, where signals cannot be handled, and where Ctrl-C is ignored, nothing is changed.
    """
    interruption = Interruption()
    here = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not here or before is signal.SIG_IGN:
        yield interruption
        return
    noted = 0.0

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if interruption.asked:
            if time.monotonic() - noted > ONE:
                _note_raised()
                raise KeyboardInterrupt
            return
        interruption.asked, noted = True, time.monotonic()

    signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
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
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - _raised > ONE:
            _note_raised()
            raise KeyboardInterrupt

    _note_raised(float("-inf"))
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _note_raised(at: float | None = None) -> None:
    global _raised
    _raised = time.monotonic() if at is None else at
