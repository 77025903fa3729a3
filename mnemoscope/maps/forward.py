"""A map linearized without keeping what its layers gave: forward mode, evaluated for each product.

A dual number `z + eps v` goes through the layers: what comes out is `f(z) + eps J v`. No layer's
output lives longer than in an evaluation, and each is held twice. There is no product with `J^T`,
so eigenvalues can be had this way and singular values cannot.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps.linearization import Linearization, plain_attention
from mnemoscope.maps.live_memory import TooMuch


class ForwardLinearization(Linearization):
    """Any map's, one evaluation with tangents for each product and state."""

    def __init__(
        self,
        f: Callable[[Tensor], Tensor],
        states: Float[Tensor, "n *shape"],
        *,
        batch_size: int,
        failure: BaseException | None = None,
    ) -> None:
        """Evaluates `f` at `states` in batches; `failure` is why reverse mode cannot be used."""
        self.states = states
        self.products = 0
        self._f, self._size, self._failure = f, batch_size, failure
        with torch.no_grad():
            self.values = torch.cat([f(part) for part in states.split(batch_size)] or [states])

    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        images = torch.empty_like(V)
        with plain_attention():
            for vectors, out in zip(V, images, strict=True):
                parts = zip(
                    *(each.split(self._size) for each in (self.states, vectors, out)), strict=True
                )
                for states, tangents, there in parts:
                    there.copy_(jvp(self._f, (states,), (tangents,))[1])
        return images

    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        if self._failure is None or isinstance(self._failure, TooMuch):
            raise MnemoscopeError(
                "a product with the transposed Jacobian, which must keep what every layer gives",
                expected="a budget in which that fits",
                todo="raise the budget",
            )
        reason = (str(self._failure).splitlines() or [type(self._failure).__name__])[0]
        raise MnemoscopeError(
            f"a product with the transposed Jacobian of a map without second "
            f"derivatives ({reason})",
            expected="operations whose backward pass PyTorch can differentiate",
            todo="replace that operation; eigenvalues and orbits can be had without it",
        ) from self._failure
