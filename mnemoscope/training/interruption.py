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


@contextmanager
def deferred_interrupt() -> Iterator[Interruption]:
    """Notes Ctrl-C instead of raising it; a second one raises at once.

    One that came after the body looked for the last time is raised when it ends. Outside the main
    thread, where signals cannot be handled, and where Ctrl-C is ignored, nothing is changed.
    """
    interruption = Interruption()
    here = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not here or before is signal.SIG_IGN:
        yield interruption
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruption.asked:
            raise KeyboardInterrupt
        interruption.asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield interruption
    finally:
        # None: a handler that Python did not install and cannot put back.
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
    if interruption.asked:
        raise KeyboardInterrupt
