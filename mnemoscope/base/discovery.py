"""Finds what packages add: a module in a folder, or an entry point of an installed package."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from mnemoscope.base.errors import MnemoscopeError


def modules_in(package: str, file: str) -> Iterator[ModuleType]:
    """Imports the modules of a package, in the order of their names.

    Args:
        package: Its dotted name.
        file: A file in its folder, such as `__file__` of one of its modules; that module itself is
            not imported.
    """
    for found in pkgutil.iter_modules([str(Path(file).parent)]):
        if found.name != Path(file).stem:
            yield import_module(f"{package}.{found.name}")


def entries(group: str) -> Iterator[object]:
    """Loads what installed packages register under an entry-point group.

    Raises:
        MnemoscopeError: an entry point cannot be imported.
    """
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            yield entry.load()
        # A package of somebody else may raise anything when it is imported.
        except Exception as error:
            raise MnemoscopeError(
                f"the entry point {entry.name} of {group}, which cannot be imported "
                f"({type(error).__name__}: {error})",
                expected=f"{entry.value}, as the installed package declares it",
                todo="repair or uninstall the package that declares it",
            ) from error
