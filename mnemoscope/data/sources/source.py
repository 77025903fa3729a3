"""Where examples come from: each source recognizes what the caller names, and reads it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.reading import Examples, Reading, Selection


@dataclass(frozen=True)
class Source:
    """A source of examples.

    Attributes:
        name: How messages list it: `digits`, `hf:<name or folder>[:split]`.
        recognizes: Whether what the caller named is of this source.
        read: Reads the examples that are asked for.
        bundled: Whether it is a data set known by its name, read in one way only.
        borrowed: Whether the examples may share the caller's memory and must be copied.
        order: Position among all sources: the first that recognizes a name reads it.
    """

    name: str
    recognizes: Callable[[Any], bool]
    read: Callable[[Any, Selection, Reading], Examples]
    bundled: bool = False
    borrowed: bool = False
    order: int = 100


SOURCES = Registry(Source, __name__, __file__, order=lambda source: source.order)
"""Every source by name: each module in this folder, and those of installed packages."""


def find_source(named: object) -> Source:
    """Returns the source of what the caller named.

    Raises:
        MnemoscopeError: no source recognizes it.
    """
    for source in SOURCES.values():
        if source.recognizes(named):
            return source
    raise MnemoscopeError(
        f"a source of type {type(named).__name__}",
        expected=known_sources(),
        todo="turn examples into one array with numpy.stack or torch.stack",
        field="source",
    )


def known_sources() -> str:
    """Lists all sources for a message."""
    *names, last = SOURCES
    return f"{', '.join(names)} or {last}"


def is_called(name: str) -> Callable[[object], bool]:
    """Recognizes a source by its name; a path of that name is none."""
    return lambda named: isinstance(named, str) and named == name


def described(named: object) -> str:
    """Names a source in messages: a path by itself, an object by its type."""
    if isinstance(named, str | os.PathLike):
        return str(named)
    return f"a {type(named).__name__}"
