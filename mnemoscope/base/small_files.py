"""Small text files from any source: regular files of bounded size and depth."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from mnemoscope.base.errors import MnemoscopeError

LARGEST = 16 * 2**20
"""Bytes of the largest file that is read whole as text."""

DEEPEST = 100
"""How deep lists and tables may nest."""


def read_text(path: str | os.PathLike[str], *, largest: int = LARGEST) -> str:
    """Returns the text of a regular file of limited size, in UTF-8 with or without a mark of it.

    A named pipe or a device is not opened for reading: it may never end, or never begin.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        _check_regular(os.fstat(handle).st_mode, path)
        content = file.read(largest + 1)
    if len(content) > largest:
        raise MnemoscopeError(
            f"{path}, which has more than {largest:,} bytes",
            expected="a small text file",
            todo="check the path",
        )
    return content.decode("utf-8-sig")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Returns the JSON value in a regular file of limited size and depth.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, larger, no JSON, or nests deeper than `DEEPEST`.
    """
    return parse_json(read_text(path))


def parse_json(text: str | bytes) -> Any:
    """Returns the JSON value of a text.

    Raises:
        ValueError: it is no JSON, or nests deeper than `DEEPEST`.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    check_depth(value)
    return value


def check_depth(value: Any, deepest: int = DEEPEST) -> None:
    """Makes sure that lists and tables do not nest too deeply for what walks through them."""
    level = [value]
    for _ in range(deepest):
        level = [
            below
            for one in level
            if isinstance(one, dict | list)
            for below in (one.values() if isinstance(one, dict) else one)
            if isinstance(below, dict | list)
        ]
        if not level:
            return
    raise _too_deep(deepest)


def check_regular(path: str | os.PathLike[str]) -> None:
    """Makes sure that a path is no named pipe, device or the like, which could block for ever.

    Folders, and paths where nothing is, are left to the reader.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISDIR(mode):
        _check_regular(mode, path)


def _check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory", os.fspath(path))
    if not stat.S_ISREG(mode):
        raise MnemoscopeError(
            f"{path}, which is no file but a named pipe, a device or the like",
            expected="a regular file",
            todo="save what comes from it to a file and name that",
        )


def _too_deep(deepest: int = DEEPEST) -> MnemoscopeError:
    return MnemoscopeError(
        f"values that nest more than {deepest} deep",
        expected="lists and tables that nest less",
        todo="check the file",
    )
