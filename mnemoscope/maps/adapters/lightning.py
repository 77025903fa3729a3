"""Classes of Lightning modules: built with the hyperparameters that their checkpoint holds.

A checkpoint is read with `weights_only=True`, so plain hyperparameters are found and nothing in it
runs. Lightning's own `load_from_checkpoint` unpickles.
"""

import inspect
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter, called, is_subclass
from mnemoscope.maps.checkpoints import read_values
from mnemoscope.maps.weights import load_weights

LIBRARIES = ("lightning.pytorch", "pytorch_lightning")
"""The names that the library can be imported by; the classes of the two are different ones."""

VALUES, NAME = "hyper_parameters", "hparams_name"
"""Where a checkpoint holds the hyperparameters, and which argument they are if they are one."""

NOT_READ = ("_instantiator", "_class_path")
"""What Lightning's command line adds: names of code to be run."""

log = logging.getLogger("mnemoscope")


class Lightning(ObjectAdapter):
    """A class derived from `LightningModule`, its weights and hyperparameters from a checkpoint.

    Instances need no adapter: they are modules.
    """

    takes_with_object = frozenset({"weights", "weights_key", "factory_args"})

    def recognizes_object(self, model: object) -> bool:
        """Returns a class of modules of either name of the library."""
        return any(is_subclass(model, library, "LightningModule") for library in LIBRARIES)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Builds the module: arguments of the request go before those of the checkpoint."""
        if model.forward.__module__.startswith(LIBRARIES):
            raise MnemoscopeError(
                f"{request.target}, whose class {model.__name__} has no forward",
                expected="a class whose forward gives the reconstruction",
                todo="write a factory that returns the part that does, and name that",
            )
        stored = {}
        if request.weights is not None and Path(request.weights).is_file():
            stored = _hyperparameters(model, request.weights)
        arguments = {**stored, **request.factory_args}
        used = sorted(stored.keys() - request.factory_args.keys())
        if used:
            log.info("%s: the hyperparameters %s are taken", request.weights, ", ".join(used))
        module: nn.Module = called(model, replace(request, factory_args=arguments))
        # Layers that are only made when training begins.
        module.configure_model()  # pyright: ignore[reportCallIssue]
        if request.weights is not None:
            load_weights(module, request.weights, request.weights_key)
        return Loaded(module)


def _hyperparameters(model: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns those that the class takes, as Lightning hands them over."""
    content = read_values(path)
    values = content.get(VALUES)
    if not isinstance(values, dict):
        return {}
    parameters = inspect.signature(model.__init__).parameters
    named = {name: value for name, value in values.items() if name not in NOT_READ}
    whole = content.get(NAME)
    if isinstance(whole, str) and whole in parameters:
        return {whole: named}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return named
    return {name: value for name, value in named.items() if name in parameters}
