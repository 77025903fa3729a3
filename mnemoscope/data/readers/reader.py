"""What a reader is: it recognizes files of one format and reads the examples in them."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import check_regular
from mnemoscope.data.arrays import check_real, integer_rule
from mnemoscope.data.reading import AS_IT_IS, Found, Reading, Selection


@dataclass(frozen=True)
class Reader:
    """A format.

    Attributes:
        name: What a message calls a file of this format.
        suffixes: Endings of its files, in lower case.
        read: Reads the examples that are asked for; raises errors of any kind for a damaged file.
        begins: Whether a file's first bytes (up to 512) are those of this format; None: the format
            has no mark and is recognized by its suffix alone.
        uses: The options among key, column, split and alpha that it has a use for.
        parts: Whether each file of a folder is one part of the examples.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading, Selection], Found]
    begins: Callable[[bytes], bool] | None
    uses: tuple[str, ...] = ()
    parts: bool = False


def taken(array: Tensor | np.ndarray, selection: Selection, origin: str, **found: Any) -> Found:
    """Returns the rows of an array that are asked for, with the rule that all of its rows choose.

    Args:
        array: A tensor, an array, or anything with `shape`, `dtype` and rows to slice.
        selection: Which rows.
        origin: The file, as messages name it.
        **found: Other attributes of `Found`; `rule` replaces the rule that the array chooses.

    Raises:
        MnemoscopeError: it holds no real numbers, no examples, or fewer than are asked for.
    """
    check_real(array, origin)
    rows = selection.rows(array.shape[0] if len(array.shape) else 0, origin)
    return Found(array[rows], **{"rule": integer_rule(array), **found})


HEAD = 512
"""Bytes by which a format is recognized."""

ALL = Selection(None)


READERS = Registry(Reader, __name__, __file__)
"""Every reader by name: each module in this folder, and those of installed packages."""


def suffixes() -> dict[str, Reader]:
    """Returns the reader of each suffix."""
    return {suffix: reader for reader in READERS.values() for suffix in reader.suffixes}


def find_reader(path: Path) -> Reader | None:
    """Returns the reader of a file; None if no reader knows its suffix or its first bytes."""
    name = path.name.lower()
    named = [(suffix, reader) for suffix, reader in suffixes().items() if name.endswith(suffix)]
    by_suffix = max(named, key=lambda found: len(found[0]))[1] if named else None
    head = _head(path)
    if by_suffix is not None and (by_suffix.begins is None or by_suffix.begins(head)):
        return by_suffix
    # The content decides: a MATLAB file of version 7.3 is HDF5, and an .npz may be called .npy.
    by_content = next(
        (reader for reader in READERS.values() if reader.begins and reader.begins(head)), None
    )
    return by_content or by_suffix


def read_file(path: Path, reading: Reading = AS_IT_IS, selection: Selection = ALL) -> Found:
    """Reads the examples in a file.

    Args:
        path: The file.
        reading: How it is read.
        selection: Which of the examples.

    Raises:
        MnemoscopeError: no reader knows the file; it is empty, cut off, of another kind, or holds
            pickled objects; it has no array or column of the name that is asked for, or several
            that could be meant; or a package that its format needs is not installed.
    """
    reader = None
    try:
        check_regular(path)
        if path.stat().st_size == 0:
            raise MnemoscopeError(
                f"{path}, which is empty (0 bytes)",
                expected="a file with examples",
                todo="check the path",
            )
        reader = find_reader(path)
        if reader is None:
            raise MnemoscopeError(
                f"{path}, a file of an unknown format",
                expected=f"a file of one of the formats {', '.join(sorted(suffixes()))}",
                todo="save arrays with numpy.save",
            )
        reading.refuse_unused(str(path), "alpha", *reader.uses)
        return reader.read(path, reading, selection)
    except MnemoscopeError:
        raise
    except BaseException as error:  # Readers raise errors of any kind; Rust's are no Exceptions.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _unreadable(path, reader, error) from error


def _unreadable(path: Path, reader: Reader | None, error: BaseException) -> MnemoscopeError:
    message = str(error).strip()
    kind = "file" if reader is None else reader.name
    return MnemoscopeError(
        f"{path}, which "
        + (
            "holds pickled objects; they could run code and are never unpickled"
            if _is_of_a_pickle(error)
            else f"cannot be read ({message.splitlines()[0] if message else type(error).__name__})"
        ),
        expected=f"a whole {kind} of plain numbers",
        todo="save the array itself, for example with numpy.save(path, array)",
    )


def _is_of_a_pickle(error: BaseException) -> bool:
    # NumPy says so in words only.
    return isinstance(error, pickle.UnpicklingError) or "allow_pickle" in str(error)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
