"""Hostile inputs, each passed to a command in its own process."""

import hashlib
import os
import shutil
import stat
import sys
from pathlib import Path

from attack.count import Count
from attack.forks import Ended, command, start
from attack.inputs import inputs

LONGEST = 3000
"""Characters of a message."""

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C ended."""

LARGEST = 4 * 2**30
"""Bytes of memory that no small input may take."""


def attack(
    made: Path, folder: Path, key: str, total: int, seed: int, first: int, count: Count
) -> None:
    """Runs `total` inputs and counts the faults."""
    for number, one in enumerate(inputs(total, seed)):
        if number < first:
            continue
        work = folder / "work"
        shutil.copytree(made, work, symlinks=True)
        try:
            prepared = start(one.prepare, work, folder / "logs", name="prepare").wait()
            if prepared.code:
                raise RuntimeError(f"{one}: {prepared.err}")
            arguments = [part.replace("{key}", key[:12]) for part in one.arguments]
            before = tree(work)
            ended = start(command(arguments), work / one.folder, folder / "logs").wait()
            count.note(one.kind, ended.code)
            detail = f"#{number} {one.name}: mnemoscope {' '.join(arguments)[:300]!r}"
            for fault, reason in judged(ended):
                count.fault(one.kind, fault, f"{detail}\n{reason}")
            after = tree(work)
            changed = sorted(name for name in before if after.get(name) != before[name])
            if ended.code == 2 and changed:
                count.fault(
                    one.kind, "lost", f"{detail}: {changed[:5]} changed by a refused command"
                )
            if "executed" in after or os.path.exists(work / one.folder / "executed"):
                count.fault(one.kind, "other", f"{detail}: code was run")
            if (number + 1) % 100 == 0:
                print(f"{number + 1:,} inputs", file=sys.stderr, flush=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def judged(ended: Ended) -> list[tuple[str, str]]:
    """The faults in the end of a command, with details."""
    last = ended.err[-1500:]
    if ended.hung:
        return [("hangs", last)]
    codes = (0, 1, 2, INTERRUPTED) if ended.asked else (0, 1, 2)
    if "Traceback (most recent call last)" in ended.err or ended.code not in codes:
        return [("tracebacks", f"exit {ended.code}: {last}")]
    faults = []
    if ended.code == 2:
        lines = [line for line in ended.err.splitlines() if line]
        # A log line on how the data were read may precede it.
        if not lines or not lines[-1].startswith("mnemoscope: "):
            faults.append(("other", f"exit 2 without its line: {last}"))
    if any(len(line) > LONGEST for line in ended.err.splitlines()):
        faults.append(("other", f"a line of {max(map(len, ended.err.splitlines())):,} characters"))
    if ended.memory > LARGEST:
        faults.append(("other", f"{ended.memory / 1e9:.1f} GB of memory: {last}"))
    return faults


def tree(folder: Path) -> dict[str, str]:
    """Every file with the hash of its content; folders and other entries with their kind."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(top) / name
            relative = os.path.relpath(path, folder)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and path.stat().st_size < 2**28:
                found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
            elif not (relative.endswith(".log") or "/logs" in relative):
                found[relative] = str(stat.S_IFMT(mode))
    return {name: content for name, content in found.items() if not name.endswith(".log")}
