"""The files of a sweep: in a folder, or at any place that fsspec knows.

    plans/<sweep>.json         the design, and the state of the sweep
    plans/<sweep>.parquet      every planned run: its key and what the design varies
    rows/<layout>/<group>.parquet   the rows of a group; those of one layout have equal columns
    failures/<group>.json      runs that could not be done, and why
    logs/<group>.log           the log of a group
    weights/<key>.safetensors  networks that are kept

A file appears whole or not at all: it is written under a temporary name and renamed.
"""

import errno
import io
import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.base.files import FULL, replacing
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import check_regular
from mnemoscope.base.writers import SILENT, is_left_behind, writer_of

FOLDERS = ("plans", "rows", "failures", "weights")
"""Folders that hold files."""

LEFT_BEHIND = SILENT
"""Age after which a hidden file of an unknown writer is considered orphaned (s)."""

OF_A_DISK = (*FULL, errno.EROFS)
"""Errors of a disk, not of a run."""

_CONNECTIONS = 16
"""Files that are read at the same time."""


class StoreError(MnemoscopeError):
    """A sweep's files cannot be written or read: no fault of a run."""


class Store:
    """Files by name; names are relative and have forward slashes.

    Attributes:
        place: The folder or URL, as it was given.
        folder: The folder, if it is one of this machine; None for a URL.
    """

    def __init__(self, place: str | os.PathLike[str]) -> None:
        """Opens it; nothing is made or read yet."""
        self.place = place = os.fspath(place)
        # A folder may be called ~, which others would take for the user's.
        self.folder = None if "://" in place else Path(os.path.abspath(place))
        if self.folder is None:
            self.place = place.rstrip("/")
            if not place.partition("://")[2].strip("/") and not place.startswith("memory"):
                raise StoreError(
                    f"{place}, which names no place",
                    expected="such as s3://bucket/it",
                    todo="name one",
                )
        try:
            if self.folder is not None:
                check_name(self.folder)
            self._files, self._root = fsspec.core.url_to_fs(
                f"file://{self.folder}" if self.folder else self.place
            )
        except MnemoscopeError as error:
            raise StoreError(error.given, expected=error.expected, todo=error.todo) from None
        except (ImportError, ValueError, OSError) as error:
            raise StoreError(
                f"{place} ({error})",
                expected="a folder, or a URL of a file system that fsspec knows and can reach",
                todo="check the URL; for s3:// install mnemoscope[s3]",
            ) from error

    @property
    def absolute(self) -> str:
        """The folder or URL, as a process in another folder has it."""
        return str(self.folder or self.place)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file: it appears whole, or not at all."""
        try:
            if self.folder is not None:
                with replacing(self.folder / name) as temporary:
                    temporary.write_bytes(content)
                return
            folder, _, last = f"{self._root}/{name}".rpartition("/")
            temporary = f"{folder}/.{last}.{secrets.token_hex(4)}"
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(temporary, content)
            self._files.mv(temporary, f"{folder}/{last}")
        except Exception as error:
            raise self._failed("write", name, error) from error

    def read(self, name: str) -> bytes | None:
        """Reads a file; returns None if there is none."""
        try:
            if self.folder is not None:
                check_regular(self.folder / name)
            return self._files.cat_file(f"{self._root}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as error:
            raise self._failed("read", name, error) from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """Reads many files, those that are there, several at a time."""
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            contents = dict(zip(names, pool.map(self.read, names), strict=True))
        return {name: content for name, content in contents.items() if content is not None}

    def sources(self, names: Sequence[str]) -> dict[str, Any]:
        """Returns what polars reads many files from: their paths, or their contents."""
        if self.folder is not None:
            return {name: self.folder / name for name in names}
        return {name: io.BytesIO(content) for name, content in self.read_all(names).items()}

    def names(self, folder: str) -> list[str]:
        """Lists the files in a folder and those below it, sorted, without hidden ones."""
        try:
            # What another machine has written must be seen.
            self._files.invalidate_cache()
            found = self._files.find(f"{self._root}/{folder}")
        except FileNotFoundError:
            return []
        except Exception as error:
            raise self._failed("read", folder, error) from error
        begin = len(self._root.lstrip("/")) + 1
        names = [path.lstrip("/")[begin:] for path in found]
        return sorted(name for name in names if not name.rpartition("/")[2].startswith("."))

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        try:
            self._files.rm_file(f"{self._root}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return
        except Exception as error:
            raise self._failed("remove", name, error) from error

    def tidy(self) -> None:
        """Removes temporary files of writers that are gone, or that are unknown and old.

        At a URL nothing is removed: looking for them would list everything there is, at a price.
        """
        if self.folder is None:
            return
        for folder in FOLDERS:
            for path in (self.folder / folder).rglob(".*"):
                # Another sweep may tidy at the same time.
                with suppress(OSError):
                    if path.is_file() and _is_orphaned(path):
                        path.unlink()

    def _failed(self, verb: str, name: str, error: Exception) -> StoreError:
        known = error.__cause__ if isinstance(error, MnemoscopeError) else error
        if isinstance(error, MnemoscopeError) and not isinstance(known, OSError):
            return StoreError(error.given, expected=error.expected, todo=error.todo)
        return unusable(verb, f"{self.place}/{name}", known or error)


def unusable(verb: str, place: str, error: BaseException) -> StoreError:
    """Builds the error of a file that cannot be written or read."""
    reason = getattr(error, "strerror", None) or first_line(error)
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    full = getattr(error, "errno", None) in FULL
    return StoreError(
        f"cannot {verb} {place} ({kind}{reason or type(error).__name__})",
        expected="a disk with room for it" if full else f"a place that allows to {verb} it",
        todo="free some room and run the sweep again: what is done is kept"
        if full
        else "check its permissions and run the sweep again: what is done is kept",
    )


def _is_orphaned(path: Path) -> bool:
    if writer_of(path.name) is not None:
        return is_left_behind(path)
    return time.time() - path.stat().st_mtime > LEFT_BEHIND
