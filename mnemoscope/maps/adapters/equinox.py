"""Modules of Equinox: a function of one state, mapped over the batch, by JAX's derivatives."""

from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.adapters.factory import ObjectAdapter
from mnemoscope.maps.jax_map import jax_map


class Equinox(ObjectAdapter):
    """A live module that is called with one state, as is usual in that library."""

    classes = ("equinox:Module",)

    def adapt(self, model: Any, request: Request) -> Loaded:
        """Maps the module over the batch, in inference mode."""
        if not callable(model):
            raise MnemoscopeError(
                f"{request.target}, which cannot be called",
                expected="a module whose __call__ gives the reconstruction of one state",
                todo="write a function of your own, and hand it over: "
                "mnemoscope.maps.jax_map.JaxMap(function)",
            )
        equinox: Any = needed_for("a model", "equinox", extra="equinox")
        jax: Any = needed_for("a model", "jax", extra="equinox")
        still = equinox.nn.inference_mode(model)
        return jax_map(lambda z: jax.vmap(still)(z), request)
