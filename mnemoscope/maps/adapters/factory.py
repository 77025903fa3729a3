"""Live objects, and what `package.module:factory` builds, its weights from a file.

An object of a library can only exist where the library is imported. So its classes are looked up
among the modules that are loaded, and recognizing an object imports nothing.
"""

import sys
from dataclasses import replace
from typing import Any, ClassVar

from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import import_name, importing_from_here, is_name
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request, refuse_unused
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
    refuse_unused(request, takes, f"it gives a {_kind(model)}, which does not use it")
    if request.weights_key is not None and request.weights is None:
        raise MnemoscopeError(
            "--weights-key without --weights", expected="both or neither", todo="pass --weights"
        )
    if found is not None:
        return found[0], found[1].adapt(model, request)
    if request.weights is not None and isinstance(model, nn.Module):
        load_weights(model, request.weights, request.weights_key)
    return PLAIN, Loaded(model)


class Factory(Adapter):
    """`package.module:factory`: called with `factory_args`, it gives a model.

    The model is a module, a callable of a batch, or an object of a library that an adapter knows.
    The name may also be that of the model itself.
    """

    takes = frozenset({"weights", "weights_key", "factory_args"})

    def recognizes(self, target: str) -> bool:
        """Recognizes two names with a colon between them."""
        return is_name(target)

    def load(self, request: Request) -> Loaded:
        """Returns the model, with its weights if a file of them is given."""
        return load_named(request)


class ObjectAdapter(Adapter):
    """Makes maps of the live objects of one library, which a factory may give.

    It recognizes no files. What it recognizes (`classes`, or a method `recognizes_object`) and
    `adapt` are all there is to write.

    Attributes:
        classes: The classes of its objects, each as `package.module:Class`.
    """

    takes = Factory.takes
    classes: ClassVar[tuple[str, ...]] = ()

    def recognizes_object(self, model: object) -> bool:
        """Recognizes instances of its classes."""
        return any(is_instance(model, *name.split(":")) for name in self.classes)

    def recognizes(self, target: str) -> bool:
        """Recognizes no file."""
        return False

    def load(self, request: Request) -> Loaded:
        """Returns the map of what `package.module:factory` returns, if the adapter was named."""
        if not is_name(request.target):
            raise MnemoscopeError(
                f"{request.target} with the adapter {type(self).__name__}",
                expected="package.module:factory, a function that gives the model",
                todo="load the model in a function of your own, and name that",
            )
        return load_named(request, self)


def load_named(request: Request, adapter: Adapter | None = None) -> Loaded:
    """Returns the map of what `package.module:name` names, or of what it gives when called."""
    with importing_from_here():
        found = import_name(request.target, what="factory")
        if find_object_adapter(found) is None and not isinstance(found, nn.Module):
            found, request = called(found, request), replace(request, factory_args={})
        if adapter is not None and not adapter.recognizes_object(found):
            raise MnemoscopeError(
                f"{request.target}, which gives a {type(found).__name__}",
                expected=f"what the adapter {type(adapter).__name__} recognizes",
                todo="leave --adapter out",
            )
        return adapted(found, request)[1]


def called(factory: Any, request: Request) -> Any:
    """Returns what a factory gives for the arguments of the request; itself if it is none."""
    try:
        return factory(**request.factory_args) if callable(factory) else factory
    # A script that ends itself must not end the audit with it.
    except (Exception, SystemExit) as error:
        raise MnemoscopeError(
            f"{request.target}({_arguments(request)}), which fails with "
            f"{type(error).__name__}: {error}",
            expected="a model",
            todo="check --factory-args, a JSON object of its keyword arguments",
        ) from error


def _arguments(request: Request) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in request.factory_args.items())
