"""Where a sweep's files are: a local folder, or any place that fsspec knows.

    plans/<sweep>.json         the design and where the sweep stands
    plans/<sweep>.parquet      every planned run: its key and what the design varies
    rows/<layout>/<group>.parquet   the rows of a group; those of one layout have equal columns
    failures/<group>.json      runs that could not be done, and why
    logs/<group>.log           how a group went
    weights/<key>.safetensors  networks that are kept

A file appears whole or not at all: it is written beside its place and moved there.
"""

import errno
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.files import FULL, replacing
from mnemoscope.base.publishing import check_name
from mnemoscope.base.small_files import check_regular
from mnemoscope.base.writers import SILENT, is_left_behind, writer_of

FOLDERS = ("plans", "rows", "failures", "weights")
"""Where files are written."""

LEFT_BEHIND = SILENT
"""Age after which a hidden file of an unknown writer is considered orphaned (s)."""


class StoreError(MnemoscopeError):
    """A sweep's files cannot be written or read: no fault of a run."""


class Store(ABC):
    """Files by name; names are relative and have forward slashes.

    Attributes:
        place: The folder or URL.
    """

    place: str

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Writes a file: it appears whole, or not at all.

        Raises:
            StoreError: it cannot be written.
        """

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is none.

        Raises:
            StoreError: it cannot be read.
        """

    @abstractmethod
    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of many files, those that are there.

        Raises:
            StoreError: one cannot be read.
        """

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The files in a folder and those below it, sorted; hidden ones left out.

        Raises:
            StoreError: the store cannot be read.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes a file, if it is there.

        Raises:
            StoreError: it cannot be removed.
        """

    @abstractmethod
    def tidy(self) -> None:
        """Removes what writers that were killed have left beside its place, once it is old."""


class LocalStore(Store):
    """A folder."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.place = os.fspath(folder)
        # A folder may be called ~, which others would take for the user's.
        self.root = Path(os.path.abspath(folder))
        try:
            check_name(self.root)
        except MnemoscopeError as error:
            raise StoreError(error.given, expected=error.expected, todo=error.todo) from None

    def path(self, name: str) -> Path:
        """Where a file is."""
        return self.root / name

    def write(self, name: str, content: bytes) -> None:
        """Writes a file: it appears whole, or not at all."""
        try:
            with replacing(self.root / name) as temporary:
                temporary.write_bytes(content)
        except MnemoscopeError as error:
            if isinstance(error.__cause__, OSError):
                raise unwritable(self.root / name, error.__cause__) from error
            raise StoreError(error.given, expected=error.expected, todo=error.todo) from error
        except OSError as error:
            raise unwritable(self.root / name, error) from error

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is none."""
        try:
            check_regular(self.root / name)
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except MnemoscopeError as error:
            raise StoreError(error.given, expected=error.expected, todo=error.todo) from error
        except OSError as error:
            raise unreadable(self.root / name, error) from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of many files, those that are there."""
        found = {name: self.read(name) for name in names}
        return {name: content for name, content in found.items() if content is not None}

    def names(self, folder: str) -> list[str]:
        """The files in a folder and those below it, sorted; hidden ones left out."""
        top = self.root / folder
        try:
            found = [path for path in top.rglob("*") if path.is_file()]
        except OSError as error:
            raise unreadable(top, error) from error
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in found
            if not path.name.startswith(".")
        )

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        try:
            (self.root / name).unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise unwritable(self.root / name, error) from error

    def tidy(self) -> None:
        """Removes hidden files whose writers are gone; of unknown writers, once they are old."""
        for folder in FOLDERS:
            for path in (self.root / folder).rglob(".*"):
                # Another sweep may tidy at the same time.
                with suppress(OSError):
                    if path.is_file() and _is_orphaned(path):
                        path.unlink()


class RemoteStore(Store):
    """A URL of any file system that fsspec has: `s3://`, `gs://`, `memory://`, `sftp://`."""

    def __init__(self, url: str) -> None:
        import fsspec

        if not url.partition("://")[2].strip("/") and not url.startswith("memory"):
            raise StoreError(
                f"{url}, which names no place", expected="such as s3://bucket/it", todo="name one"
            )
        try:
            self._files, self._root = fsspec.core.url_to_fs(url.rstrip("/"))
        except (ImportError, ValueError, OSError) as error:
            raise StoreError(
                f"{url} ({error})",
                expected="a folder, or a URL of a file system that fsspec knows and can reach",
                todo="check the URL; for s3:// install mnemoscope[s3]",
            ) from error
        self.place = url.rstrip("/")

    def write(self, name: str, content: bytes) -> None:
        """Writes a file: it appears whole, or not at all."""
        target = f"{self._root}/{name}"
        folder, _, last = target.rpartition("/")
        beside = f"{folder}/.{last}.{secrets.token_hex(4)}"
        try:
            self._files.makedirs(folder, exist_ok=True)
            self._files.pipe_file(beside, content)
            self._files.mv(beside, target)
        except Exception as error:
            raise _remote(self.place, name, error) from error

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is none."""
        try:
            return self._files.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return None
        except Exception as error:
            raise _remote(self.place, name, error) from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of many files, those that are there; fetched at the same time."""
        if not names:
            return {}
        places = {f"{self._root}/{name}": name for name in names}
        try:
            found = self._files.cat(list(places), on_error="return")
        except Exception as error:
            raise _remote(self.place, names[0], error) from error
        stripped = {place.lstrip("/"): name for place, name in places.items()}
        contents = {}
        for place, content in found.items():
            name = stripped[place.lstrip("/")]
            if isinstance(content, FileNotFoundError):
                continue
            if isinstance(content, Exception):
                raise _remote(self.place, name, content) from content
            contents[name] = content
        return contents

    def names(self, folder: str) -> list[str]:
        """The files in a folder and those below it, sorted; hidden ones left out."""
        top = f"{self._root}/{folder}"
        try:
            # What another machine has written must be seen.
            self._files.invalidate_cache()
            found = self._files.find(top)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise _remote(self.place, folder, error) from error
        begin = len(self._root.lstrip("/")) + 1
        names = [path.lstrip("/")[begin:] for path in found]
        return sorted(name for name in names if not name.rpartition("/")[2].startswith("."))

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        try:
            self._files.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return
        except Exception as error:
            raise _remote(self.place, name, error) from error

    def tidy(self) -> None:
        """Does nothing: to look for them would list everything there is, at a price."""


def _is_orphaned(path: Path) -> bool:
    if writer_of(path.name) is not None:
        return is_left_behind(path)
    return time.time() - path.stat().st_mtime > LEFT_BEHIND


def open_store(place: str | os.PathLike[str]) -> Store:
    """The store at a folder or URL; nothing is made or read yet.

    Raises:
        StoreError: no file system is known for the URL.
    """
    text = os.fspath(place)
    return RemoteStore(text) if "://" in text else LocalStore(text)


def absolute(store: Store) -> str:
    """Its folder or URL, as a process in another folder has it."""
    return os.path.abspath(store.place) if isinstance(store, LocalStore) else store.place


OF_A_DISK = (*FULL, errno.EROFS)
"""Errors of a disk, not of a run."""


def unwritable(path: str | os.PathLike[str], error: OSError) -> StoreError:
    """That a file cannot be written, with what helps."""
    full = error.errno in FULL
    return StoreError(
        f"cannot write {path} ({error.strerror or error})",
        expected="a disk with room for it" if full else "a folder that can be written to",
        todo="free some room and run the sweep again: what is done is kept"
        if full
        else "check its permissions and run the sweep again: what is done is kept",
    )


def unreadable(path: str | os.PathLike[str], error: OSError) -> StoreError:
    """That a file cannot be read."""
    return StoreError(
        f"cannot read {path} ({error.strerror or error})",
        expected="a file that can be read",
        todo="check its permissions",
    )


def _remote(place: str, name: str, error: Exception) -> StoreError:
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return StoreError(
        f"cannot reach {place}/{name} ({type(error).__name__}: {reason})",
        expected="a place that can be read and written to",
        todo="check the URL and its credentials and run the sweep again: what is done is kept",
    )
