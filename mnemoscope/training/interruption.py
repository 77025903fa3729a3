"""Ctrl-C that waits for a step to end, so that what is saved is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether Ctrl-C was pressed.

    Attributes:
        asked: True from then on.
    """

    def __init__(self) -> None:
        self.asked = False

    def note(self) -> None:
        """Notes it; raises KeyboardInterrupt the second time."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


_open: list[Interruption] = []
"""The deferred sections of the main thread that are running, the innermost last."""


def interrupt() -> None:
    """Does what Ctrl-C does, also where a shell that started the process has it ignored.

    A deferred section notes it; where there is none, KeyboardInterrupt is raised.
    """
    if not _open:
        raise KeyboardInterrupt
    _open[-1].note()


@contextmanager
def deferred_interrupt() -> Iterator[Interruption]:
    """Notes Ctrl-C instead of raising it; a second one raises at once.

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
        raise KeyboardInterrupt
