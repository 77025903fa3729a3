"""Libraries that are installed only where they are wanted."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import ModuleType

from mnemoscope.base.importing import needed_for


def needed(name: str, *, extra: str) -> ModuleType:
    """The library.

    Raises:
        MnemoscopeError: it is not installed.
    """
    return needed_for("a model", name, extra=extra)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without the progress bars and notices of a library that loads a model."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        yield
