"""Who writes a file: a name that tells, later and on any machine, whether the writer still runs."""

import hashlib
import os
import re
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path

SILENT = 3600.0
"""Age of a temporary file after which a writer on another machine is taken to be gone (s)."""

_MARKED = re.compile(r"-([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,20})(?:-[0-9a-f]+)?$")

_ENDED = "ZX"
"""States of a process that has ended and was not waited for."""


@dataclass(frozen=True)
class Writer:
    """A process, distinguished from all others that ever had its number.

    Attributes:
        place: The machine since it was started, and the numbering of processes there, as a hash.
        process: Its number.
        started: When it was started, in ticks since the machine was; 0 where that is unknown.
    """

    place: str
    process: int
    started: int

    def __str__(self) -> str:
        return f"{self.place}-{self.process}-{self.started}"

    @property
    def runs(self) -> bool | None:
        """Whether it still runs; None for a process of another machine."""
        if self.place != _place():
            return None
        try:
            os.kill(self.process, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass
        now = _started(self.process)
        return now is None or now == self.started


def this_writer() -> Writer:
    """Returns the writer of this process."""
    return Writer(_place(), os.getpid(), _started(os.getpid()) or 0)


def marked() -> str:
    """Returns the end of a new name that tells its writer."""
    return f"-{this_writer()}-{secrets.token_hex(4)}"


def writer_of(name: str) -> Writer | None:
    """Returns the writer that a name tells; None if it tells none."""
    found = _MARKED.search(name)
    return None if found is None else Writer(found[1], int(found[2]), int(found[3]))


def is_left_behind(path: Path) -> bool:
    """Returns whether a file or folder was left by a writer that is gone.

    One of another machine is taken to be gone once its file is old.
    """
    writer = writer_of(path.name)
    if writer is None:
        return False
    runs = writer.runs
    if runs is not None:
        return not runs
    try:
        return time.time() - path.stat(follow_symlinks=False).st_mtime > SILENT
    except OSError:
        return False


def _place() -> str:
    """Hashes this machine, its last start and the numbering of processes in it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        numbering = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot, numbering = socket.gethostname(), ""
    return hashlib.sha256(f"{boot} {numbering}".encode()).hexdigest()[:8]


def _started(process: int) -> int | None:
    """Returns the start time of a process; -1 if it has ended, None if it is not known."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name before it may have spaces and brackets in it.
    fields = text.rpartition(")")[2].split()
    return -1 if fields[0] in _ENDED else int(fields[19])
