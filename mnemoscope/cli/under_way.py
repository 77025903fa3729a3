"""An audit under way in a run's folder: what Ctrl-C leaves of it, and how the command goes on."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from mnemoscope.base.small_files import read_json
from mnemoscope.cli.invocation import command

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def measured(work: Callable[[Path], T], checkpoints: Path) -> tuple[T, bool]:
    """Does the work, or what Ctrl-C lets it; whether all of it was done.

    Checkpoints of another map or of other data are given up: the command line that wrote them was
    the same, but what it names has changed.

    Args:
        work: Measures, with its checkpoints in a folder.
        checkpoints: The folder; the caller removes it once the result is written.

    Raises:
        KeyboardInterrupt: Ctrl-C before anything was finished.
    """
    from mnemoscope.measure.parts import Interrupted, OtherCheckpointError

    try:
        return work(checkpoints), True
    except Interrupted as stop:
        return stop.result, False
    except OtherCheckpointError as error:
        print(f"mnemoscope: begins anew: {error.given}", file=sys.stderr, flush=True)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return measured(work, checkpoints)


def is_whole(index: Path) -> bool:
    """Whether an index is of an audit or a screening that was not interrupted."""
    try:
        return not read_json(index)["summary"].get("partial")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def end_interrupted(missing: "Sequence[str]", written: "Sequence[Path]") -> NoReturn:
    """Ends a command whose result is partial.

    Raises:
        KeyboardInterrupt: always.
    """
    outcome = "the results that were there stay as they were"
    if written:
        pages = " and ".join(str(path) for path in written)
        outcome = f"{pages} {'hold' if len(written) > 1 else 'holds'} what was finished"
    raise KeyboardInterrupt(
        f"audit interrupted before: {', '.join(missing)} ({outcome}); expected it to run to its "
        f"end; to go on from there, run the same command again: {command()}"
    )
