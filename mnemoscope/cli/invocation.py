"""The command line that is being run, those it recommends, and how it exits."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

FOUND = 1
"""Exit status of a finding, failure or worsening that the caller asked to fail on."""

WRONG_INPUT = 2
"""Exit status of invalid input: one line on standard error states it and how to fix it."""

INTERRUPTED = (
    "interrupted; expected the command to end; "
    "nothing that was there has changed: run the command again"
)

_given: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """Keeps the arguments of the command that is being run."""
    _given[:] = arguments


def command() -> str:
    """Returns the command line that is being run, as it can be pasted."""
    return shlex.join([*_program(), *_given])


def follow_up(name: str, path: Path) -> str:
    """Returns the command line of another command for a path, as it can be pasted."""
    text = str(path)
    return shlex.join([*_program(), name, f"./{text}" if text.startswith("-") else text])


def _program() -> list[str]:
    """Returns how to call Mnemoscope again, which may not be on the search path."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "mnemoscope":
        return [sys.executable, "-m", "mnemoscope"]
    found = shutil.which("mnemoscope")
    here = called.name == "mnemoscope" and called.exists()
    if here and (found is None or not called.samefile(found)):
        return [str(called)]
    return ["mnemoscope"]
