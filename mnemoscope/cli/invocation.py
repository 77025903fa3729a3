"""The command line that is being run, and those it recommends, as they can be pasted."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

_given: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """Keeps the arguments of the command that is being run."""
    _given[:] = arguments


def command() -> str:
    """The command line that is being run."""
    return shlex.join([*_program(), *_given])


def follow_up(name: str, path: Path) -> str:
    """The command line of another command, for what is at a path."""
    text = str(path)
    return shlex.join([*_program(), name, f"./{text}" if text.startswith("-") else text])


def _program() -> list[str]:
    """How to call Mnemoscope again: it need not be on the search path."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "mnemoscope":
        return [sys.executable, "-m", "mnemoscope"]
    found = shutil.which("mnemoscope")
    here = called.name == "mnemoscope" and called.exists()
    if here and (found is None or not called.samefile(found)):
        return [str(called)]
    return ["mnemoscope"]
