"""The entry point: how errors, Ctrl-C and closed pipes reach the user.

Only the standard library is imported before the errors are handled, so that Ctrl-C is quiet from
the start.
"""

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TextIO

from mnemoscope.base.errors import MnemoscopeError, first_line, shortened
from mnemoscope.base.interruption import interrupt, raising_once
from mnemoscope.cli.invocation import INTERRUPTED, WRONG_INPUT, remember

LONGEST_LINE = 2000
"""Maximum number of characters of a line on standard error."""

SILENT = ("unreported exception", "without exception set", "without setting an exception")
"""How Python reports that compiled code failed without a reason, which it does for lack of memory.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 done, 1 a finding to fail on, 2 invalid input."""
    with raising_once():
        try:
            with _terminating_like_ctrl_c(), warnings.catch_warnings():
                warnings.showwarning = _show_warning
                status = _run(sys.argv[1:] if arguments is None else list(arguments))
        except KeyboardInterrupt as error:
            _end_interrupted(str(error) or INTERRUPTED)
        except MemoryError:
            _refuse(_too_large("it"))
        except OSError as error:
            if error.errno == errno.ENOMEM:
                _refuse(_too_large(error.strerror or "it"))
            if _is_full_memory(error):
                _refuse(_no_room_for_libraries(first_line(error)))
            _refuse(
                f"{shortened(str(error.filename or 'a file'))}, which cannot be read or written "
                f"({error.strerror or error}); expected a usable path on a disk with room; "
                "check the path, its permissions and the disk"
            )
    sys.exit(status)


def _end_interrupted(message: str) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # Outside the main thread.
            signal.signal(number, signal.SIG_IGN)
    _say(message)
    _forget_semaphores()
    # If Ctrl-C came while a library ran Python code from C, Python ends itself by SIGINT, whatever
    # is raised here. Everything that had to be undone has been.
    os._exit(WRONG_INPUT)


def _say(message: str) -> None:
    """Writes a line to standard error; if that is impossible, the exit status has to do."""
    try:
        line = shortened(message, LONGEST_LINE, word=LONGEST_LINE // 2)
        print(f"mnemoscope: {line}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # What is still buffered would fail once more when Python exits, with another status.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _forget_semaphores() -> None:
    """Removes the semaphores of worker processes, as a usual exit would have done.

    Otherwise Python's resource tracker warns of them.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        with suppress(Exception):
            util._run_finalizers(0)


def _run(arguments: list[str]) -> int:
    remember(arguments)
    _let_streams_take_anything()
    try:
        from mnemoscope.cli.app import run
        from mnemoscope.cli.printing import printing

        status = run(arguments)
        with printing():
            pass
        return status
    except MnemoscopeError as error:
        _refuse(str(error))
    except RuntimeError as error:
        # PyTorch has a class of errors for a full GPU, and only a message for full main memory.
        if type(error).__name__ == "OutOfMemoryError" or _is_full_memory(error):
            _refuse(_too_large(first_line(error)))
        raise
    except (ImportError, SystemError) as error:
        reason = first_line(error)
        if _is_full_memory(error) or any(words in reason for words in SILENT):
            _refuse(_no_room_for_libraries(reason))
        if isinstance(error, SystemError):
            raise
        _refuse(
            f"a library that cannot be imported ({reason}); expected a complete "
            "installation; install mnemoscope again"
        )


def _is_full_memory(error: Exception) -> bool:
    text = str(error).lower()
    words = ("can't allocate memory", "cannot allocate memory", "failed to map segment")
    return any(word in text for word in words)


def _no_room_for_libraries(reason: str) -> str:
    return (
        f"out of memory while libraries are loaded ({reason}); expected room for them, "
        "2 GB of address space; raise the limit (ulimit -v)"
    )


def _too_large(what: str) -> str:
    return (
        f"out of memory ({what}); expected data and a network that fit into memory; "
        "use fewer or smaller examples, or a smaller network"
    )


def _refuse(message: str) -> NoReturn:
    _say(message)
    sys.exit(WRONG_INPUT)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Prints Mnemoscope's own warnings in a line; those of other libraries are for developers."""
    if category.__module__.startswith("mnemoscope"):
        _say(str(message))


def _let_streams_take_anything() -> None:
    """Replaces characters that a terminal or a pipe cannot show instead of raising an error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # The caller closed it.
            setattr(sys, name, open("/dev/null", "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _terminating_like_ctrl_c() -> Iterator[None]:
    """Makes SIGTERM do what Ctrl-C does: cluster managers send it before they kill."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(number, frame)
        else:
            # Ctrl-C is ignored, but a training must still write its checkpoint.
            interrupt()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
