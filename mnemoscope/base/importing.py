"""What somebody else wrote, by name: `package.module:name`, in the current folder or installed."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mnemoscope.base.errors import MnemoscopeError

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_name(text: str) -> bool:
    """Returns whether this is `package.module:name`: two dotted names with a colon between them."""
    return _NAME.fullmatch(text) is not None


@contextmanager
def importing_from_here() -> Iterator[None]:
    """Adds the current folder to the import path, as `python -m` does."""
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)


def import_name(text: str, *, what: str) -> Any:
    """Returns what `package.module:name` names.

    Args:
        text: The name.
        what: What is expected of it, in a word.

    Raises:
        MnemoscopeError: it cannot be imported.

    Example:
        >>> import_name("math:pi", what="number")
        3.141592653589793
    """
    module, _, names = text.partition(":")
    try:
        with importing_from_here():
            found: Any = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    # A module of somebody else may raise anything, or end itself.
    except (Exception, SystemExit) as error:
        raise MnemoscopeError(
            f"{text}, which cannot be imported ({type(error).__name__}: {error})",
            expected=f"package.module:{what}, in the current folder or installed",
            todo="check both names",
        ) from error
    return found


def needed_for(user: str, name: str, *, extra: str) -> ModuleType:
    """Returns a library that `user` needs, and that an extra of Mnemoscope installs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MnemoscopeError(
            f"{user}, which needs the package {name} ({error})",
            expected=f"Mnemoscope with its extra {extra}",
            todo=f"pip install 'mnemoscope[{extra}]'",
        ) from error
