"""What adapters of JAX libraries share: the part of an output that is the reconstruction."""

from collections.abc import Callable, Mapping
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.maps.adapters.adapter import Loaded, Request
from mnemoscope.maps.jax_map import JaxMap
from mnemoscope.maps.wrapped import parts_of


def jax_map(function: Callable[[Any], Any], request: Request) -> Loaded:
    """Returns the map of a pure function of a batch, with the output that was asked for."""
    jax: Any = needed_for("a model", "jax", extra="flax")

    def reconstruction(z: Any) -> Any:
        made = function(z)
        found = made if request.output is None else _part(made, request.output)
        if not isinstance(found, jax.Array):
            raise MnemoscopeError(
                f"{request.target}, which gives a {type(made).__name__}{parts_of(made)}",
                expected="an array",
                todo='name the part that is the reconstruction: output="image", --output 1',
            )
        return found

    return Loaded(JaxMap(reconstruction), takes_output=False)


def _part(made: Any, output: Any) -> Any:
    if callable(output):
        return output(made)
    if isinstance(output, str) and output.lstrip("-").isdigit():
        output = int(output)
    if isinstance(output, int):
        many = isinstance(made, tuple | list) and -len(made) <= output < len(made)
        return made[output] if many else None
    return made.get(output) if isinstance(made, Mapping) else getattr(made, output, None)
