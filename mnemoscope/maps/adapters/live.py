"""Live objects of other libraries: which adapter makes a map of one, and how it is recognized.

An object of a library can only exist where the library is imported. So its classes are looked up
among the modules that are loaded, and recognizing an object imports nothing.
"""

import sys
from typing import Any

from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.registry import find_object_adapter
from mnemoscope.maps.weights import load_weights

PLAIN = "python"
"""What `Opened.adapter` says of a module or callable that needs no adapter."""


def is_instance(model: object, module: str, *names: str) -> bool:
    """Returns whether an object is an instance of a module's class, without importing the module.

    Example:
        >>> from decimal import Decimal
        >>> is_instance(Decimal(1), "decimal", "Decimal"), is_instance(1, "not_loaded", "Decimal")
        (True, False)
    """
    return isinstance(model, _classes(module, names))


def is_subclass(model: object, module: str, *names: str) -> bool:
    """Returns whether an object is a class derived from a module's, without importing it."""
    return isinstance(model, type) and issubclass(model, _classes(module, names))


def _classes(module: str, names: tuple[str, ...]) -> tuple[type, ...]:
    loaded = sys.modules.get(module)
    found = (getattr(loaded, name, None) for name in names)
    return tuple(kind for kind in found if isinstance(kind, type))


def described(model: object) -> str:
    """Returns what messages call a live object."""
    return f"the {_kind(model)}"


def _kind(model: object) -> str:
    return model.__name__ if isinstance(model, type) else type(model).__name__


def adapted(model: Any, request: Request, adapter: str | None = None) -> tuple[str, Loaded]:
    """Returns the name of the adapter that recognizes an object, and the map that it makes of it.

    A module or callable that none recognizes is the map itself, with the weights of the request.
    """
    found = find_object_adapter(model, adapter)
    takes = frozenset() if found is None else found[1].takes_with_object
    if found is None and not callable(model):
        raise MnemoscopeError(
            f"{request.target}, which gives a {_kind(model)}",
            expected="a module, a callable of a batch, or a model of a library that an adapter "
            "knows",
            todo="return the model itself",
        )
    if found is None and isinstance(model, nn.Module):
        takes = frozenset({"weights", "weights_key"})
    _refuse_unused(model, request, takes)
    if found is not None:
        return found[0], found[1].adapt(model, request)
    if request.weights is not None and isinstance(model, nn.Module):
        load_weights(model, request.weights, request.weights_key)
    return PLAIN, Loaded(model)


def _refuse_unused(model: object, request: Request, takes: frozenset[str]) -> None:
    given = {
        "weights": request.weights,
        "weights_key": request.weights_key,
        "factory_args": request.factory_args,
    }
    for option, value in given.items():
        if value and option not in takes:
            raise MnemoscopeError(
                f"--{option.replace('_', '-')} for {request.target}, which gives a {_kind(model)}",
                expected="a torch.nn.Module, which weights can be loaded into"
                if option == "weights"
                else "nothing, since it is built already",
                todo=f"leave --{option.replace('_', '-')} out, or return a module",
            )
    if request.weights_key is not None and request.weights is None:
        raise MnemoscopeError(
            "--weights-key without --weights", expected="both or neither", todo="pass --weights"
        )
