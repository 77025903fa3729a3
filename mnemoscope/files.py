"""Write a file beside its target and rename it over, so that a crash leaves the old one whole."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mnemoscope.errors import MnemoscopeError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path in the target's folder; on success it takes the target's place.

    The folder is made if it is missing. If the body raises (Ctrl-C too), the temporary file is
    removed and the target stays as it was.

    Raises:
        MnemoscopeError: the folder cannot be made or written to.
    """
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():
        raise MnemoscopeError(
            f"{target} is no file but a device or the like",
            expected="a path for a file",
            todo="name a file in a folder",
        )
    make_folder(target.parent)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, target)
    except IsADirectoryError as error:
        raise MnemoscopeError(
            f"{target} is a folder", expected="a path for a file", todo="name a file inside it"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Makes a folder and its parents, if missing.

    Raises:
        MnemoscopeError: the folder cannot be made, or the path is a file.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return Path(folder)


def _unwritable(folder: str | os.PathLike[str], error: OSError) -> MnemoscopeError:
    return MnemoscopeError(
        f"cannot write to {folder} ({error.strerror})",
        expected="a folder that can be written to",
        todo="choose another one or change its permissions",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
