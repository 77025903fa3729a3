"""A run's folder: what is in it, and which run it belongs to.

    run.json                 the settings of the run, written with its first result
    network.safetensors      the trained network
    unfinished-<settings>/   a training under way: its run.json and its checkpoint
    audit/, report.html      the audit
    screen/                  the screening, its two audits and their pages
    memories.csv             the table of memories that mnemoscope store compares
    auditing-<command>/      checkpoints of an audit under way

A training changes nothing that an earlier run has left until it has a network to put there. How
results take their places, and how a folder belongs to one command at a time, is described in
`mnemoscope.base.publishing`.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.files import replacing
from mnemoscope.base.publishing import claim, finish, refuse_claimed
from mnemoscope.base.small_files import read_json
from mnemoscope.cli.invocation import command

FORMAT = "mnemoscope-run/1"

INDEX = "run.json"

AUDITING = "auditing-"
"""Beginning of the names of folders of audits under way."""

UNIMPORTANT = ("--json", "--force")
"""Options that do not change what an audit finds."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder.
        settings: The settings of the run; a folder belongs to the run with these settings.
        force: Whether the run may take the place of another one.
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
        """The checkpoint of the training under way."""
        return self.unfinished / "checkpoint.safetensors"

    def checkpoints(self) -> list[Path]:
        """Lists the checkpoints of the training under way."""
        return sorted(self.unfinished.glob("*.safetensors"))

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
    def screen(self) -> Path:
        """The screening's folder."""
        return self.path / "screen"

    @property
    def memories(self) -> Path:
        """The table of memories."""
        return self.path / "memories.csv"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def name(self) -> str:
        """The name of the run in a report."""
        return Path(os.path.abspath(self.path)).name.encode(errors="replace").decode()

    @property
    def version(self) -> tuple[object, ...]:
        """A value that changes when another run or network is put into the folder."""
        return tuple(_version(path) for path in (self.path / INDEX, self.network))

    def write_settings(self, stage: Path) -> None:
        """Makes the folder this run's, once what is in a stage is published."""
        write_index(stage, {"settings": self.settings})

    def left(self) -> list[Path]:
        """Lists the unfinished trainings to remove after one: with `force` all of them."""
        return _unfinished(self.path) if self.force else [self.unfinished]


@contextmanager
def claimed(path: str | Path, settings: dict[str, Any], *, force: bool) -> Iterator[RunFolder]:
    """Claims a folder for a run: a new one, the run's own, or with `force` any.

    Nothing in it is changed; it is made if missing, and removed again if it is left empty.
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
def claimed_again(run: RunFolder) -> Iterator[RunFolder]:
    """Claims the folder of a run that was opened, for a command that adds to it."""
    with claim(run.path, command()):
        yield run


def refuse_changed(run: RunFolder, version: tuple[object, ...]) -> None:
    """Refuses a run that was replaced since it was opened."""
    if run.version != version:
        raise MnemoscopeError(
            f"{run.path}, which has changed since this command began to read it",
            expected="a run that does not change meanwhile",
            todo="run the same command again",
        )


def open_run(path: str | Path) -> RunFolder:
    """Opens a folder that holds a run with a result."""
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
    """Refuses a folder with a training under way."""
    for unfinished in _unfinished(path):
        known = (_read(unfinished / INDEX) or {}).get("command")
        again = f": {known}" if isinstance(known, str) else ""
        raise MnemoscopeError(
            f"{path}, whose training has not ended",
            expected="a run with a trained network",
            todo=f"run its command again, it goes on where it was{again} "
            f"(or remove {unfinished} to give it up)",
        )


def find_audit(path: str) -> tuple[Path, Path]:
    """Returns the folder and the page of an audit, whose own folder or run is named."""
    from mnemoscope.results.audit import KIND

    folder = Path(path)
    finish(folder)
    if (folder / KIND.index).exists():
        return folder, folder / "report.html"
    run = open_run(folder)
    return run.audit, run.report


@contextmanager
def naming_damaged(what: str) -> Iterator[None]:
    """Refuses audits that lack something: an index without a checksum may be damaged in any way."""
    try:
        yield
    except (MnemoscopeError, OSError):
        raise
    except Exception as error:
        raise MnemoscopeError(
            f"{what} ({type(error).__name__}: {first_line(error)})",
            expected="a complete audit",
            todo="audit again",
        ) from error


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


def write_index(path: Path, content: dict[str, Any]) -> None:
    """Writes the settings of a run into a folder, and which command is at work on it."""
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
    with suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return ()
