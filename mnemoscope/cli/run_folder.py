"""A run's folder: what is in it, and whom it belongs to.

    run.json                 the settings of the run, written when there is something of it
    network.safetensors      the trained network
    unfinished-<settings>/   a training under way: its run.json and its checkpoint
    audit/, report.html      the audit
    auditing-<command>/      checkpoints of an audit under way

So a training never touches what an earlier run has left until it has a network to put there. How
results take their places, and how a folder belongs to one command at a time, is described in
`mnemoscope.base.publishing`.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnemoscope.base.errors import DivergenceError, MnemoscopeError
from mnemoscope.base.files import made, remove_left_behind, replacing
from mnemoscope.base.publishing import claim, finish, refuse_claimed
from mnemoscope.base.small_files import read_json
from mnemoscope.cli.invocation import command

FORMAT = "mnemoscope-run/1"

INDEX = "run.json"

AUDITING = "auditing-"
"""How the names of folders of audits under way begin."""

UNIMPORTANT = ("--json", "--force")
"""Options that do not change what an audit finds."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder.
        settings: What the run was asked to do; a folder belongs to the run with these settings.
        force: Whether it may take the place of another run.
    """

    path: Path
    settings: dict[str, Any]
    force: bool = False

    @property
    def network(self) -> Path:
        """The trained network."""
        return self.path / "network.safetensors"

    @property
    def unfinished(self) -> Path:
        """The folder of this run's training under way; removed when it is done."""
        text = json.dumps(self.settings, sort_keys=True)
        return self.path / f"unfinished-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def checkpoint(self) -> Path:
        """The training under way."""
        return self.unfinished / "checkpoint.safetensors"

    @property
    def auditing(self) -> Path:
        """The folder of this command's audit under way; removed when it is done."""
        text = " ".join(word for word in command().split() if word not in UNIMPORTANT)
        return self.path / f"{AUDITING}{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def audit(self) -> Path:
        """The audit's folder."""
        return self.path / "audit"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def name(self) -> str:
        """What to call the run in a report."""
        name = Path(os.path.abspath(self.path)).name
        return name.encode(errors="replace").decode()

    @property
    def version(self) -> tuple[object, ...]:
        """What is other once another run or network is in the folder."""
        return tuple(_version(path) for path in (self.path / INDEX, self.network))

    def write_settings(self, stage: Path) -> None:
        """Makes the folder this run's, once what is in a stage is published."""
        _write_index(stage, {"settings": self.settings})

    def left(self) -> list[Path]:
        """What a training that has ended leaves: with `force` those of other runs too."""
        return _unfinished(self.path) if self.force else [self.unfinished]


@contextmanager
def claimed(path: str | Path, settings: dict[str, Any], *, force: bool) -> Iterator[RunFolder]:
    """A folder for a run: a new one, the run's own, or with `force` any; no other command's.

    Nothing in it is changed; it is made if missing, and removed again if it is left empty.

    Raises:
        MnemoscopeError: the folder holds another run or other files, another command is writing to
            it, or it cannot be made.
    """
    folder = RunFolder(Path(path), json.loads(json.dumps(settings)), force)
    finish(folder.path)
    refuse_claimed(folder.path)
    if not force:
        _refuse_taken(folder)
    with claim(folder.path, command()):
        if not force:
            _refuse_taken(folder)
        yield folder


@contextmanager
def claimed_again(run: RunFolder) -> Iterator[None]:
    """The folder of a run that was opened, for a command that adds to it.

    Raises:
        MnemoscopeError: another command is writing to it, or it cannot be written to.
    """
    with claim(run.path, command()):
        yield


def refuse_changed(run: RunFolder, version: tuple[object, ...]) -> None:
    """Refuses a run that is another one by now than when it was opened.

    Raises:
        MnemoscopeError: it is.
    """
    if run.version != version:
        raise MnemoscopeError(
            f"{run.path}, which has changed since this command began to read it",
            expected="a run that stays as it is",
            todo="run the same command again",
        )


@contextmanager
def training_in(folder: RunFolder) -> Iterator[Path]:
    """The checkpoint of a training under way; it stays if the training is interrupted.

    Without a checkpoint to go on from, and after divergence, nothing stays.
    """
    with made(folder.unfinished):
        remove_left_behind(folder.unfinished)
        diverged = False
        _write_index(folder.unfinished, {"settings": folder.settings, "command": command()})
        try:
            yield folder.checkpoint
        except DivergenceError:
            diverged = True
            raise
        finally:
            if diverged or not folder.checkpoint.exists():
                shutil.rmtree(folder.unfinished, ignore_errors=True)


def open_run(path: str | Path) -> RunFolder:
    """A folder that holds a run with something to show.

    Raises:
        MnemoscopeError: there is no run in it, or only a training that has not ended.
    """
    path = Path(path)
    finish(path)
    index = path / INDEX
    if not index.exists():
        if path.is_dir():
            refuse_unfinished(path)
        raise MnemoscopeError(
            f"{path}, which " + ("is no run's folder" if path.exists() else "does not exist"),
            expected="a folder that mnemoscope train, audit or demo wrote",
            todo="check the path",
        )
    content = _read(index)
    if content is None:
        raise MnemoscopeError(
            f"{index}, which cannot be read",
            expected="what mnemoscope wrote there",
            todo="run the command that wrote it again with --force",
        )
    return RunFolder(path, content["settings"])


def refuse_unfinished(path: Path) -> None:
    """Refuses a folder with a training under way.

    Raises:
        MnemoscopeError: it has one.
    """
    for unfinished in _unfinished(path):
        known = (_read(unfinished / INDEX) or {}).get("command")
        again = f": {known}" if isinstance(known, str) else ""
        raise MnemoscopeError(
            f"{path}, whose training has not ended",
            expected="a run with a trained network",
            todo=f"run its command again, it goes on where it was{again} "
            f"(or remove {unfinished} to give it up)",
        )


def _refuse_taken(folder: RunFolder) -> None:
    path = folder.path
    # Hidden files are what a killed run or a file manager leaves.
    if not path.is_dir() or all(item.name.startswith((".", AUDITING)) for item in path.iterdir()):
        return
    index = path / INDEX
    theirs = _read(index)
    if theirs is None and not index.exists() and _unfinished(path):
        if folder.unfinished.exists():
            return
        found = "an unfinished training of another run"
    elif theirs is not None and theirs["settings"] == folder.settings:
        return
    else:
        found = "files that are no run" if theirs is None else "another run"
    raise MnemoscopeError(
        f"{path}, which already holds {found}",
        expected="a new or empty folder, or the same run's",
        todo="choose another --out, or pass --force to write over it",
    )


def _unfinished(path: Path) -> list[Path]:
    return sorted(found for found in path.glob("unfinished-*") if found.is_dir())


def _write_index(path: Path, content: dict[str, Any]) -> None:
    with replacing(path / INDEX) as temporary:
        temporary.write_text(json.dumps({"format": FORMAT, **content}, indent=2) + "\n")


def _read(index: Path) -> dict[str, Any] | None:
    try:
        content = read_json(index)
        whole = content["format"] == FORMAT and isinstance(content["settings"], dict)
        return content if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _version(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
