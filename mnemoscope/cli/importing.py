"""The import of the libraries that compute, which takes seconds."""

import os
import signal
import sys
import threading
from types import FrameType

from mnemoscope.cli.main import INTERRUPTED, WRONG_INPUT


def import_libraries() -> None:
    """Imports PyTorch and what the commands need; Ctrl-C in it ends the process at once.

    A KeyboardInterrupt would not do: PyTorch and NumPy import each other inside C++, where an
    exception may be swallowed. Nothing has been begun yet that would have to be put right.
    """
    before = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()
    if not here or not callable(before) or "mnemoscope.nets" in sys.modules:
        import mnemoscope.nets

        return

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"mnemoscope: {INTERRUPTED}\n".encode())
        os._exit(WRONG_INPUT)

    signal.signal(signal.SIGINT, leave)
    try:
        import mnemoscope.auditing
        import mnemoscope.nets
        import mnemoscope.training  # noqa: F401
    finally:
        signal.signal(signal.SIGINT, before)
