"""A model that a function builds: `package.module:factory`, its weights from a file."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.weights import load_weights

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class Factory(Adapter):
    """`package.module:factory`: called with `factory_args`, it gives a module or a callable."""

    takes = frozenset({"weights", "factory_args"})

    def recognizes(self, target: str) -> bool:
        """Two names with a colon between them."""
        return _NAME.fullmatch(target) is not None

    def load(self, request: Request) -> Loaded:
        """The model, with its weights if a file of them is given."""
        with _importing_from_here():
            factory = _named(request.target)
            try:
                model = factory(**request.factory_args) if callable(factory) else factory
            # A script that ends itself must not end the audit with it.
            except (Exception, SystemExit) as error:
                raise MnemoscopeError(
                    f"{request.target}({_arguments(request)}), which fails with "
                    f"{type(error).__name__}: {error}",
                    expected="a model",
                    todo="check --factory-args, a JSON object of its keyword arguments",
                ) from error
        if not callable(model):
            raise MnemoscopeError(
                f"{request.target}, which gives a {type(model).__name__}",
                expected="a module, or a callable of a batch",
                todo="return the model itself",
            )
        if request.weights is not None:
            if not isinstance(model, nn.Module):
                raise MnemoscopeError(
                    f"--weights for {request.target}, which gives a {type(model).__name__}",
                    expected="a torch.nn.Module, which weights can be loaded into",
                    todo="leave --weights out, or return a module",
                )
            load_weights(model, request.weights)
        return Loaded(model)


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """As for `python -m`: what lies in the current folder can be imported."""
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def _named(target: str) -> Any:
    module_name, _, path = target.partition(":")
    try:
        found = importlib.import_module(module_name)
        for name in path.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        raise MnemoscopeError(
            f"{target}, which cannot be imported ({type(error).__name__}: {error})",
            expected="package.module:factory, in the current folder or installed",
            todo="check both names",
        ) from error
    return found


def _arguments(request: Request) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in request.factory_args.items())
