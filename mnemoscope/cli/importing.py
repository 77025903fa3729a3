"""The import of the libraries that compute, which takes seconds."""

import os
import signal
import sys
import threading
from types import FrameType

from mnemoscope.cli.exit import INTERRUPTED, WRONG_INPUT


def import_libraries() -> None:
    """Imports PyTorch and what the commands need; Ctrl-C or SIGTERM ends the process at once.

    A KeyboardInterrupt would not do: PyTorch and NumPy import each other inside C++, where an
    exception may be swallowed. Nothing has been begun yet that would have to be put right.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or "mnemoscope.nets" in sys.modules:
        import mnemoscope.nets

        return

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"mnemoscope: {INTERRUPTED}\n".encode())
        os._exit(WRONG_INPUT)

    # A signal that is ignored, as Ctrl-C is in the background, stays so.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    replaced = {number: before for number, before in handlers.items() if callable(before)}
    for number in replaced:
        signal.signal(number, leave)
    try:
        import mnemoscope.measure
        import mnemoscope.nets
        import mnemoscope.training.single  # noqa: F401
    finally:
        for number, before in replaced.items():
            signal.signal(number, before)
