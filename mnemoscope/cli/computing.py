"""The libraries that compute, the device, and the number of threads."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.cli.invocation import INTERRUPTED, WRONG_INPUT

DEVICES = ("cpu", "cuda", "mps", "xpu")


def import_libraries() -> None:
    """Imports PyTorch and what the commands need; Ctrl-C or SIGTERM ends the process at once.

    A KeyboardInterrupt would not do: PyTorch and NumPy import each other inside C++, where an
    exception may be swallowed. Nothing has begun yet that would have to be undone.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or "mnemoscope.nets" in sys.modules:
        import mnemoscope.nets

        return

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(2, f"mnemoscope: {INTERRUPTED}\n".encode())
        os._exit(WRONG_INPUT)

    # A signal that is ignored, as Ctrl-C is in the background, stays ignored.
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


def check_device(device: str) -> None:
    """Imports the libraries, and refuses a device that is not there."""
    import_libraries()
    import torch

    try:
        chosen = torch.device(device)
        if chosen.type not in DEVICES or (chosen.type == "cpu" and chosen.index):
            raise ValueError("it computes nothing")
        torch.empty(0, device=chosen)
    # PyTorch raises errors of many kinds for a device that it was not built with.
    except Exception as error:
        raise MnemoscopeError(
            f"--device {device} ({first_line(error)})",
            expected="a device of this machine",
            todo="use --device cpu",
        ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Makes PyTorch compute on one thread inside.

    A step of a small network is so short that a second thread gains nothing, and loses much where
    something else wants its core: every step then waits for it.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
