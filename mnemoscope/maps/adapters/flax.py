"""Models of Flax: `nnx` modules, bound `linen` modules and train states, by JAX's derivatives."""

from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter, is_instance
from mnemoscope.maps.jax_map import jax_map


class Flax(ObjectAdapter):
    """A live model: its parameters as they are now."""

    classes = ("flax.nnx:Module", "flax.linen:Module", "flax.training.train_state:TrainState")

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Takes a pure function of a batch; an `nnx` module's copy is in eval mode."""
        if is_instance(model, "flax.nnx", "Module"):
            nnx: Any = needed_for("a model", "flax.nnx", extra="flax")
            copy = nnx.merge(*nnx.split(model))
            copy.eval()
            graph, state = nnx.split(copy)
            return jax_map(lambda z: nnx.merge(graph, state)(z), request)
        if is_instance(model, "flax.training.train_state", "TrainState"):
            apply, variables = model.apply_fn, {"params": model.params}
            # What some examples add to the state.
            statistics = getattr(model, "batch_stats", None)
            if statistics is not None:
                variables["batch_stats"] = statistics
            return jax_map(lambda z: apply(variables, z), request)
        if model.scope is None:
            raise MnemoscopeError(
                f"{request.target}, a module of flax.linen without parameters",
                expected="a module with its variables",
                todo="hand over model.bind(variables)",
            )
        module, variables = model.unbind()
        return jax_map(lambda z: module.apply(variables, z), request)
