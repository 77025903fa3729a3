"""The entry point: how errors, Ctrl-C and closed pipes reach the user.

Nothing but the standard library is imported before the errors are watched for, so that Ctrl-C is
quiet from the start.
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

from mnemoscope.base.errors import shortened
from mnemoscope.base.interruption import interrupt, raising_once
from mnemoscope.cli.exit import INTERRUPTED, WRONG_INPUT

LONGEST_LINE = 2000
"""Characters of a line on standard error."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 done, 1 a finding the caller asked to fail on, 2 wrong input."""
    with raising_once():
        try:
            with _terminating_like_ctrl_c(), warnings.catch_warnings():
                warnings.showwarning = _tell_warning
                status = _run(sys.argv[1:] if arguments is None else list(arguments))
        except KeyboardInterrupt as error:
            _end_interrupted(str(error) or INTERRUPTED)
        except MemoryError:
            _refuse(_too_large("it"))
        except OSError as error:
            if error.errno == errno.ENOMEM:
                _refuse(_too_large(error.strerror or "it"))
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
    # Python ends itself by SIGINT, whatever is raised here, if some code that a library ran
    # from C was what Ctrl-C met. All that had to be put right has been.
    os._exit(WRONG_INPUT)


def _say(message: str) -> None:
    """Writes a line to standard error; where that cannot be written, the exit status has to do."""
    try:
        line = shortened(message, LONGEST_LINE, word=LONGEST_LINE // 2)
        print(f"mnemoscope: {line}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # What is still buffered would fail once more when Python exits, with another status.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _forget_semaphores() -> None:
    """Removes those of worker processes, as leaving the usual way would have done.

    Otherwise a tracker of Python's complains of them in its own words.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        with suppress(Exception):
            util._run_finalizers(0)


def _run(arguments: list[str]) -> int:
    from mnemoscope.base.errors import MnemoscopeError
    from mnemoscope.cli.invocation import remember

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
        # PyTorch has a class for a full GPU, and only words for a full memory.
        if type(error).__name__ == "OutOfMemoryError" or _is_full_memory(error):
            _refuse(_too_large(str(error).splitlines()[0]))
        raise
    except (ImportError, SystemError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if _is_full_memory(error) or "unreported exception" in reason:
            _refuse(
                f"out of memory while libraries are loaded ({reason}); expected room for them, "
                "2 GB of address space; raise the limit (ulimit -v)"
            )
        if isinstance(error, SystemError):
            raise
        _refuse(
            f"a library that cannot be imported ({reason}); expected an installation that is "
            "whole; install mnemoscope again"
        )


def _is_full_memory(error: Exception) -> bool:
    text = str(error).lower()
    words = ("can't allocate memory", "cannot allocate memory", "failed to map segment")
    return any(word in text for word in words)


def _too_large(what: str) -> str:
    return (
        f"out of memory ({what}); expected what fits into the memory of this machine; "
        "use fewer or smaller examples, or a smaller network"
    )


def _refuse(message: str) -> NoReturn:
    _say(message)
    sys.exit(WRONG_INPUT)


def _tell_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Tells Mnemoscope's own warnings, in a line; those of other libraries are for developers."""
    if category.__module__.startswith("mnemoscope"):
        _say(str(message))


def _let_streams_take_anything() -> None:
    """A character that a terminal or a pipe cannot show is replaced, and raises nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by the caller.
            setattr(sys, name, open("/dev/null", "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _terminating_like_ctrl_c() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does: cluster managers send it before they kill."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(number, frame)
        else:
            # Where Ctrl-C is ignored, a training is still to write its checkpoint.
            interrupt()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
