"""Atomic writes: a file is written next to its target and renamed, so a crash keeps the old one."""

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.writers import is_left_behind, marked

WRITING = ".writing"
"""What the name of everything that is being written has in it, before the name of its writer."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk without room."""

_NAMED = 120
"""Bytes of a target's name that its temporary file repeats."""

_CUT_SHORT = "Invalid thrift: transport error"

_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path in the target's folder; on success it takes the target's place.

    The folder is made if it is missing. If the body raises (Ctrl-C too), the temporary file is
    removed and the target stays as it was. A process that is killed leaves the temporary file,
    which `remove_left_behind` knows by its name.
    """
    target = Path(path)
    check_target(target)
    make_folder(target.parent)
    named = os.fsdecode(os.fsencode(target.name)[:_NAMED])
    temporary = target.parent / f".{named}{WRITING}{marked()}"
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except (OSError, ValueError) as error:
        raise _unwritable(target.parent, error) from error
    mode = stat.S_IMODE(os.fstat(handle).st_mode)
    os.close(handle)
    try:
        with naming(target):
            yield temporary
            # Some libraries put a file of their own, which only its owner can read, in its place.
            temporary.chmod(mode)
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def check_target(target: Path) -> None:
    """Makes sure that a file can take this place."""
    try:
        mode = target.stat().st_mode
    except NotADirectoryError as error:
        raise _unwritable(target.parent, error) from error
    except (OSError, ValueError):
        # Nothing is there, or writing it will report what is wrong.
        return
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise MnemoscopeError(
            f"{target}, which is a folder",
            expected="a path for a file",
            todo="name a file inside it, or move it away",
        )
    raise MnemoscopeError(
        f"{target}, which is no file but a device or the like",
        expected="a path for a file",
        todo="name a file in a folder",
    )


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Names a file that cannot be written in the error of any library that writes it."""
    try:
        yield
    except MnemoscopeError:
        raise
    except Exception as error:
        number = os_error(error)
        if number is None or (isinstance(error, OSError) and not _is_of(error, target)):
            raise
        full = number in FULL
        raise MnemoscopeError(
            f"cannot write {target} ({os.strerror(number)})",
            expected="a disk with room for it" if full else "a file that can be written",
            todo="free some room and run it again" if full else "check the path and the disk",
        ) from error


def os_error(error: BaseException) -> int | None:
    """Returns the number of the system's error that is behind an error; None if there is none.

    Libraries written in Rust have it in their words only.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    # Polars' and safetensors' errors are no OSError.
    found = _OS_ERROR.search(str(error))
    if found is not None:
        return int(found[1])
    # All that polars says where the end of a Parquet file cannot be written.
    return errno.ENOSPC if _CUT_SHORT in str(error) else None


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Makes a folder and its parents, if missing."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _unwritable(folder, error) from error
    return Path(folder)


@contextmanager
def made(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Makes a folder and its parents if missing, and removes those it made if left empty."""
    path = Path(path)
    new = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        yield make_folder(path)
    finally:
        with suppress(OSError):
            for folder in new:
                folder.rmdir()


def remove_left_behind(folder: Path) -> None:
    """Removes what writers that are gone left unfinished in a folder."""
    for path in hidden(folder, f"{WRITING}-"):
        if is_left_behind(path):
            remove(path)


def hidden(folder: Path, part: str) -> list[Path]:
    """Returns the hidden files and folders in a folder with this part in their name, sorted."""
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in entries if one.name.startswith(".") and part in one.name]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]


def remove(path: Path) -> None:
    """Removes a file, a link or a folder with all that is in it, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _is_of(error: OSError, target: Path) -> bool:
    """Returns whether an error concerns the target or its temporary file."""
    named = error.filename
    return named is None or WRITING in os.fsdecode(named) or os.fsdecode(named) == str(target)


def _unwritable(folder: str | os.PathLike[str], error: Exception) -> MnemoscopeError:
    return MnemoscopeError(
        f"cannot write to {folder} ({getattr(error, 'strerror', None) or error})",
        expected="a folder that can be written to",
        todo="choose another one or change its permissions",
    )
