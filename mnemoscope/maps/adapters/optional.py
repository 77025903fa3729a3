"""Libraries that are installed only where they are wanted."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import ModuleType

from mnemoscope.errors import MnemoscopeError


def needed(name: str, *, extra: str) -> ModuleType:
    """The library.

    Raises:
        MnemoscopeError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MnemoscopeError(
            f"a model that needs {name}, which is not installed ({error})",
            expected=f"{name}",
            todo=f"install it: pip install 'mnemoscope[{extra}]'",
        ) from error


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without the progress bars and notices of a library that loads a model."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        yield
