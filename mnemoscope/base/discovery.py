"""Finds what packages add: a module in a folder, or an entry point of an installed package."""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

from mnemoscope.base.errors import MnemoscopeError


class Named(Protocol):
    """What a registry finds has a name."""

    @property
    def name(self) -> str:
        """Its name in the registry."""
        ...


Declared = TypeVar("Declared", bound=Named)


class Registry(Mapping[str, Declared]):
    """What the modules of a folder and installed packages declare, by name.

    A module declares one object of a class, under the class's name in capitals: a `Reader` called
    `READER`. An installed package declares one by an entry point of the group that has the folder's
    name: `mnemoscope.readers`. Modules are imported when the registry is first read.

    Args:
        kind: The class of what is declared; each has a `name`.
        module: The dotted name of the module that holds the registry, in that folder.
        file: The module's file.
        order: Sorts what was found; default: modules by name, then entry points by name.
    """

    def __init__(
        self,
        kind: type[Declared],
        module: str,
        file: str,
        *,
        order: Callable[[Declared], Any] = lambda declared: 0,
    ) -> None:
        self.kind = kind
        self.package = module.rpartition(".")[0]
        self.file = file
        self.order = order
        self.group = f"mnemoscope.{self.package.rpartition('.')[2]}"

    @cached_property
    def _by_name(self) -> dict[str, Declared]:
        name = self.kind.__name__.upper()
        found = [getattr(module, name, None) for module in modules_in(self.package, self.file)]
        found = [one for one in found if isinstance(one, self.kind)]
        for one in entries(self.group):
            if not isinstance(one, self.kind):
                raise MnemoscopeError(
                    f"an entry point of {self.group} that names a {type(one).__name__}",
                    expected=f"a {self.kind.__name__}",
                    todo="repair or uninstall the package that declares it",
                )
            found.append(one)
        return {one.name: one for one in sorted(found, key=self.order)}

    def __getitem__(self, name: str) -> Declared:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


def modules_in(package: str, file: str) -> Iterator[ModuleType]:
    """Imports the modules of a package in the order of their names, but for that of `file`."""
    for found in pkgutil.iter_modules([str(Path(file).parent)]):
        if found.name != Path(file).stem:
            yield import_module(f"{package}.{found.name}")


def entries(group: str) -> Iterator[object]:
    """Loads what installed packages register under an entry-point group."""
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
