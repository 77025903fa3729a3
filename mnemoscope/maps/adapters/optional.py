"""Libraries that are installed only where they are wanted."""

import importlib
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
