"""A model that a function builds: `package.module:factory`, its weights from a file."""

from dataclasses import replace
from typing import Any

from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import import_name, importing_from_here, is_name
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.adapters.live import adapted
from mnemoscope.maps.adapters.registry import find_object_adapter


class Factory(Adapter):
    """`package.module:factory`: called with `factory_args`, it gives a model.

    The model is a module, a callable of a batch, or an object of a library that an adapter knows.
    The name may also be that of the model itself.
    """

    takes = frozenset({"weights", "weights_key", "factory_args"})

    def recognizes(self, target: str) -> bool:
        """Two names with a colon between them."""
        return is_name(target)

    def load(self, request: Request) -> Loaded:
        """Returns the model, with its weights if a file of them is given."""
        return load_named(request)


class ObjectAdapter(Adapter):
    """Makes maps of the live objects of one library, which a factory may give.

    It recognizes no files. Its methods `recognizes_object` and `adapt` are all there is to write.
    """

    takes = Factory.takes

    def recognizes(self, target: str) -> bool:
        """No file."""
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
