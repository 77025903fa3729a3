"""A model that a function builds: `package.module:factory`, its weights from a file."""

from torch import nn

from mnemoscope.errors import MnemoscopeError
from mnemoscope.importing import import_name, importing_from_here, is_name
from mnemoscope.maps.adapters.adapter import Adapter, Loaded, Request
from mnemoscope.maps.weights import load_weights


class Factory(Adapter):
    """`package.module:factory`: called with `factory_args`, it gives a module or a callable."""

    takes = frozenset({"weights", "weights_key", "factory_args"})

    def recognizes(self, target: str) -> bool:
        """Two names with a colon between them."""
        return is_name(target)

    def load(self, request: Request) -> Loaded:
        """The model, with its weights if a file of them is given."""
        with importing_from_here():
            factory = import_name(request.target, what="factory")
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
            load_weights(model, request.weights, request.weights_key)
        elif request.weights_key is not None:
            raise MnemoscopeError(
                "--weights-key without --weights", expected="both or neither", todo="pass --weights"
            )
        return Loaded(model)


def _arguments(request: Request) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in request.factory_args.items())
