"""A run's folder: what is in it, and whom it belongs to."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnemoscope.errors import MnemoscopeError
from mnemoscope.files import make_folder, replacing

FORMAT = "mnemoscope-run/1"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder.
        settings: What the run was asked to do; a folder belongs to the run with these settings.
    """

    path: Path
    settings: dict[str, Any]

    @property
    def network(self) -> Path:
        """The trained network."""
        return self.path / "network.safetensors"

    @property
    def checkpoint(self) -> Path:
        """The training under way; removed when it is done."""
        return self.path / "checkpoint.safetensors"

    @property
    def audit(self) -> Path:
        """The audit's folder."""
        return self.path / "audit"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"


def claim(path: str | Path, settings: dict[str, Any], *, force: bool) -> RunFolder:
    """Takes a folder for a run: a new one, the run's own, or with `force` any.

    With `force` only an unfinished training of the other run is removed; its other files stay until
    this run has something to put in their place.

    Raises:
        MnemoscopeError: the folder holds another run or other files, or cannot be written to.
    """
    folder = RunFolder(Path(path), json.loads(json.dumps(settings)))
    index = folder.path / "run.json"
    if folder.path.is_dir() and any(folder.path.iterdir()):
        theirs = _read(index) if index.exists() else None
        if theirs == folder.settings:
            return folder
        if not force:
            raise MnemoscopeError(
                f"{folder.path}, which already holds "
                + ("another run" if theirs is not None else "files that are no run"),
                expected="a new or empty folder, or the same run's",
                todo="choose another --out, or pass --force to write over it",
            )
        folder.checkpoint.unlink(missing_ok=True)
    make_folder(folder.path)
    with replacing(index) as temporary:
        content = {"format": FORMAT, "settings": folder.settings}
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    return folder


def open_run(path: str | Path) -> RunFolder:
    """A folder that holds a run.

    Raises:
        MnemoscopeError: there is no run in it.
    """
    path = Path(path)
    index = path / "run.json"
    if not index.exists():
        raise MnemoscopeError(
            f"{path}, which " + ("is no run's folder" if path.exists() else "does not exist"),
            expected="a folder that mnemoscope train, audit or demo wrote",
            todo="check the path",
        )
    settings = _read(index)
    if settings is None:
        raise MnemoscopeError(
            f"{index}, which cannot be read",
            expected="what mnemoscope wrote there",
            todo="run the command again with --force",
        )
    return RunFolder(path, settings)


def _read(index: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(index.read_text())
        return content["settings"] if content["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
