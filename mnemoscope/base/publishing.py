"""Results that take their places together, and the claim of a folder to one command.

    .claimed               who is writing to the folder, from before the work until after it
    .writing-<writer>/     results being written
    .publishing-<writer>/  the same, complete and checked: each file in it goes to its place

The rename of `.writing` to `.publishing` decides: killed before it, nothing has changed; killed
after it, the next command moves what is left. What a writer leaves that is gone is known by its
name, see `mnemoscope.base.writers`.
"""

import errno
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import (
    WRITING,
    check_target,
    hidden,
    made,
    make_folder,
    naming,
    remove,
    remove_left_behind,
    replacing,
)
from mnemoscope.base.interruption import deferred_interrupt
from mnemoscope.base.small_files import read_json
from mnemoscope.base.writers import Writer, is_left_behind, marked, this_writer, writer_of

try:
    import fcntl
except ImportError:  # Windows, where the claim alone has to do.
    fcntl = None

PUBLISHING = ".publishing"
"""How the names of results begin that are complete and not yet in their places."""

CLAIM = ".claimed"
"""The file that tells who is writing to a folder."""

BEAT = 20.0
"""Seconds between two signs of life in a claim."""

SILENT = 9 * BEAT
"""Age of the last sign of life after which a writer on another machine is taken to be gone (s)."""

PATIENCE = 10.0
"""Seconds to wait for another process that is moving its results to their places."""

_FILES, _OLD = "files", "old"


class Publication:
    """Files and folders that are written aside and take their places together.

    Args:
        claimed: Whether this process has claimed the folders, and must have them still.
    """

    def __init__(self, *, claimed: bool = False) -> None:
        self._claimed = claimed
        self._stages: dict[str, _Stage] = {}
        self._stack = ExitStack()

    def folder(self, target: str | os.PathLike[str]) -> Path:
        """Returns the folder to write what is to be in `target`, which is made if missing."""
        key = os.path.realpath(target)
        if key not in self._stages:
            check_name(Path(target))
            folder = self._stack.enter_context(made(target))
            self._stages[key] = _Stage(folder, self._stack.enter_context(_stage(folder)))
        return self._stages[key].files

    def file(self, target: str | os.PathLike[str]) -> Path:
        """Returns the path to write what is to be in the file `target`."""
        target = Path(target)
        check_target(target)
        return self.folder(target.parent) / target.name

    def remove(self, folder: Path, *targets: Path) -> None:
        """Has files or folders in a folder removed when others take their places in it."""
        self.folder(folder)
        old = self._stages[os.path.realpath(folder)].old
        old.extend(target.relative_to(folder) for target in targets)

    def publish(self) -> None:
        """Checks the places of all files, then puts them there."""
        for stage in self._stages.values():
            check_targets(stage.folder, stage.names())
        with deferred_interrupt():
            for stage in self._stages.values():
                with _alone(stage.folder):
                    if self._claimed:
                        _refuse_lost(stage.folder)
                    _finish(stage.folder, discard=True)
                    _put(stage)
                remove_left_behind(stage.folder)

    def close(self) -> None:
        """Removes what is left aside, and folders that were made for nothing."""
        self._stack.close()


@contextmanager
def publishing(*, claimed: bool = False) -> Iterator[Publication]:
    """Yields a publication, published at the end of the body; nothing has changed if that raises.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, publishing() as new:
        ...     _ = new.file(Path(folder) / "a.txt").write_text("a")
        ...     _ = new.file(Path(folder) / "below" / "b.txt").write_text("b")
    """
    publication = Publication(claimed=claimed)
    try:
        yield publication
        publication.publish()
    finally:
        publication.close()


@contextmanager
def claim(path: str | os.PathLike[str], command: str) -> Iterator[None]:
    """Keeps a folder to this process; it is made if missing, and removed again if left empty.

    What writers have left that are gone is finished or removed. Others are shown the command line.
    """
    path = Path(path)
    check_name(path)
    with made(path):
        mark = path / CLAIM
        claimed_by = {
            "writer": str(this_writer()),
            "host": socket.gethostname(),
            "command": command,
        }
        with _alone(path):
            refuse_claimed(path)
            with replacing(mark) as temporary:
                temporary.write_text(json.dumps(claimed_by) + "\n", encoding="utf-8")
            _finish(path, discard=True)
        try:
            remove_left_behind(path)
            with _beating(mark):
                yield
        finally:
            if _claimant(mark) == this_writer():
                mark.unlink(missing_ok=True)


def refuse_claimed(path: Path) -> None:
    """Refuses a folder that another process is writing to."""
    found = _read_claim(path / CLAIM)
    if found is None or not _holds(path / CLAIM, found[0]):
        return
    writer, host, command = found
    raise MnemoscopeError(
        f"{path}, which another command is writing to ({command}; process {writer.process} on "
        f"{host})",
        expected="a folder that one command writes to at a time",
        todo="wait until it has ended, or choose another folder",
    )


def finish(folder: Path) -> None:
    """Puts results in their places whose writer was killed while it did; waits for one at it."""
    until = time.monotonic() + PATIENCE
    while any(not is_left_behind(path) for path in _committed(folder)):
        if time.monotonic() > until:
            return
        time.sleep(0.02)
    # Readers have no right to write everywhere.
    with suppress(OSError, MnemoscopeError):
        _finish(folder)


def check_targets(folder: Path, names: Iterable[str | os.PathLike[str]]) -> None:
    """Makes sure that files, named relative to a folder, can take their places in it."""
    seen: set[Path] = set()
    for name in names:
        target = folder / name
        for parent in target.parents:
            if parent in seen:
                break
            seen.add(parent)
            if os.path.lexists(parent) and not parent.is_dir():
                raise MnemoscopeError(
                    f"cannot write to {parent}, which is a file or a link to nowhere",
                    expected=f"a folder, for {target.name}",
                    todo="move it away, or choose another folder",
                )
            if parent == folder:
                break
        check_target(target)


def check_name(path: Path) -> None:
    """Makes sure that libraries can write to a path: some take only text."""
    if not is_utf_8(os.fspath(path)):
        raise MnemoscopeError(
            f"{os.fsencode(path).decode(errors='backslashreplace')}, whose name is not UTF-8",
            expected="a path in UTF-8",
            todo="rename it, or choose another one",
        )


def is_utf_8(text: str) -> bool:
    """Returns whether a text can be written: a path of other bytes has characters that cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Stage:
    """What is written aside for one folder.

    Attributes:
        folder: Where it goes.
        path: Where it is.
        old: What is removed then, relative to the folder.
    """

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder, self.path = folder, path
        self.old: list[Path] = []

    @property
    def files(self) -> Path:
        return self.path / _FILES

    def names(self) -> list[Path]:
        """Returns every file, relative to its folder."""
        return [path.relative_to(self.files) for path in _in_order(self.files)]


@contextmanager
def _stage(folder: Path) -> Iterator[Path]:
    """Yields a hidden folder to write to; removed in the end, if it is there still."""
    path = folder / f"{WRITING}{marked()}"
    try:
        try:
            (path / _FILES).mkdir(parents=True)
        except OSError as error:
            raise MnemoscopeError(
                f"cannot write to {folder} ({error.strerror})",
                expected="a folder that can be written to",
                todo="choose another one or change its permissions",
            ) from error
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _put(stage: _Stage) -> None:
    """Makes a stage's files the ones in its folder: complete from the rename on."""
    with naming(stage.folder):
        for name in stage.old:
            mark = stage.path / _OLD / name
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        ready = stage.folder / f"{PUBLISHING}{marked()}"
        os.replace(stage.path, ready)
        _move(ready, stage.folder)


def _finish(folder: Path, *, discard: bool = False) -> None:
    """Finishes what was left; what cannot be finished safely is left, or discarded."""
    for path in filter(is_left_behind, _committed(folder)):
        if _is_plain(path, folder):
            _move(path, folder)
        elif discard:
            remove(path)


def _committed(folder: Path) -> list[Path]:
    return [path for path in hidden(folder, f"{PUBLISHING}-") if writer_of(path.name) is not None]


def _move(ready: Path, folder: Path) -> None:
    """Moves everything to its place; does the rest of it where it was begun before."""
    # Nothing new is in its place before all that is old is gone: else a second try removed it.
    for old in _in_order(ready / _OLD):
        remove(folder / old.relative_to(ready / _OLD))
        old.unlink(missing_ok=True)
    files = ready / _FILES
    for source in _in_order(files):
        target = folder / source.relative_to(files)
        make_folder(target.parent)
        try:
            os.replace(source, target)
        except FileNotFoundError:
            # Another process was faster at finishing what a third one left.
            if source.exists():
                raise
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
    shutil.rmtree(ready, ignore_errors=True)


def _in_order(files: Path) -> list[Path]:
    """Sorts the files of a stage: an index after what it lists, a folder's after those below it.

    So a reader in between sees that something is missing.
    """
    found = [path for path in files.rglob("*") if not path.is_dir()]
    return sorted(found, key=lambda path: (path.suffix == ".json", -len(path.parts), path))


def _is_plain(ready: Path, folder: Path) -> bool:
    """Returns whether finishing changes nothing but this folder: no link leads out of it.

    A folder that somebody else made may hold anything.
    """
    if ready.is_symlink() or not (ready / _FILES).is_dir():
        return False
    for top in (ready / _FILES, ready / _OLD):
        for path in (top, *top.rglob("*")):
            target = folder / path.relative_to(top)
            if path.is_symlink() or (path.is_dir() and path != top and target.is_symlink()):
                return False
            if not path.is_dir() and not path.is_file() and path != top:
                return False
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps others out of a folder for a moment; where it cannot be locked, does nothing."""
    if fcntl is None:
        yield
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    assert fcntl is not None
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise MnemoscopeError(
                    f"{folder}, to which another command has been moving its results for "
                    f"{PATIENCE:g} s",
                    expected="a folder that is free in a moment",
                    todo="try again, or end the other command",
                ) from error
            time.sleep(0.01)
        except OSError:
            # Some file systems have no locks.
            return None


def _read_claim(mark: Path) -> tuple[Writer, str, str] | None:
    """Reads who has claimed a folder: the process, its host and its command; None if nobody has."""
    try:
        claimed_by = read_json(mark)
        writer = writer_of(f"-{claimed_by['writer']}")
        host, command = claimed_by["host"], claimed_by["command"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if writer is None or not isinstance(host, str) or not isinstance(command, str):
        return None
    return writer, host, command


def _claimant(mark: Path) -> Writer | None:
    found = _read_claim(mark)
    return None if found is None else found[0]


def _holds(mark: Path, writer: Writer) -> bool:
    """Returns whether the process that made a claim still runs."""
    if writer.runs is not None:
        return writer.runs
    try:
        return time.time() - mark.stat().st_mtime < SILENT
    except OSError:
        return False


def _refuse_lost(folder: Path) -> None:
    """Refuses to publish where another process has claimed the folder since."""
    writer = _claimant(folder / CLAIM)
    if writer is not None and writer != this_writer():
        raise MnemoscopeError(
            f"{folder}, which another command has begun to write to meanwhile",
            expected="a folder that one command writes to at a time",
            todo="run the same command again once the other one has ended, or choose another "
            "folder",
        )


@contextmanager
def _beating(mark: Path) -> Iterator[None]:
    """Gives signs of life, for those on other machines that see the same folder."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with suppress(OSError):
                os.utime(mark)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
