"""Commands in processes that begin in milliseconds: forked from one that has all libraries.

The threads of polars do not survive a fork, so the process that forks must never use it.
"""

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
"""Seconds in which a command ends after Ctrl-C."""

TIMEOUT = 120.0
"""Seconds after which a command hangs."""

MEMORY = 6 * 2**30
"""Bytes of memory at which a command is ended."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit status, negative for a signal.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
        hung: Whether it was ended since it took too long.
        memory: Bytes that it held at most.
        asked: Whether it was asked to end, by Ctrl-C, since it took long.
    """

    code: int
    out: str
    err: str
    hung: bool
    memory: int
    asked: bool = False


def warm() -> None:
    """Imports what the commands need."""
    import torch

    torch.set_num_threads(1)
    import mnemoscope
    import mnemoscope.claims.claim
    import mnemoscope.cli.app
    import mnemoscope.extraction
    import mnemoscope.measure
    import mnemoscope.report.comparison
    import mnemoscope.report.sweep
    import mnemoscope.results.comparison
    import mnemoscope.sweep.designs
    import mnemoscope.training.single
    from mnemoscope.report import embedding
    from mnemoscope.report.drawing_code import drawing_code

    # What they import late.
    mnemoscope.load_data("digits", n=2)
    mnemoscope.nets.FullyConnected(shape=(2,), width=2, depth=2).build(seed=0)
    mnemoscope.spectral_radius(lambda z: z / 2, torch.rand(1, 2))
    with tempfile.TemporaryDirectory() as place:
        # The engine that gives it begins threads, too.
        folder = Path(place)
        work = start(lambda: print(drawing_code()), folder, folder)
        code = work.wait().out.removesuffix("\n")
    embedding.drawing_code = lambda: code  # pyright: ignore[reportAttributeAccessIssue]


@dataclass
class Started:
    """A process that runs: its number, and where it writes."""

    process: int
    folder: Path
    name: str

    def wait(self, timeout: float = TIMEOUT) -> Ended:
        """Waits until it has ended; Ctrl-C, and then a kill, end it if that takes too long.

        A long training is none that hangs: it ends when it is asked to.
        """
        until, hung, pause, asked = time.monotonic() + timeout, False, 0.001, False
        while True:
            found, status, used = os.wait4(self.process, os.WNOHANG)
            if found:
                break
            if time.monotonic() > until and not asked:
                asked, until = True, time.monotonic() + PATIENCE
                os.kill(self.process, signal.SIGINT)
            elif time.monotonic() > until:
                hung = True
            if hung or _memory(self.process) > MEMORY:
                os.kill(self.process, signal.SIGKILL)
            time.sleep(pause)
            pause = min(0.05, pause * 1.5)
        out, err = (
            (self.folder / f"{self.name}.{part}").read_text(errors="replace")
            for part in ("out", "err")
        )
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, out, err, hung, used.ru_maxrss * 1024, asked)


def _memory(process: int) -> int:
    try:
        with open(f"/proc/{process}/statm") as pages:
            return int(pages.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def start(work: Callable[[], object], folder: Path, logs: Path, *, name: str = "log") -> Started:
    """Starts work in a forked process.

    Args:
        work: What to do.
        folder: Where to do it.
        logs: Where to write what it prints.
        name: Of the logs.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return Started(child, logs, name)
    try:
        os.chdir(folder)
        for number, part in ((1, "out"), (2, "err")):
            handle = os.open(logs / f"{name}.{part}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(handle, number)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
        os._exit(0)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def command(arguments: list[str]) -> Callable[[], object]:
    """A command line as work."""

    def work() -> None:
        from mnemoscope.cli import main

        sys.argv = ["mnemoscope", *arguments]
        main(arguments)

    return work
