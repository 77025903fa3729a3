"""A map linearized at a batch of states: Jacobian-vector products, both ways, many times.

The map must act on each state of a batch by itself. Then the Jacobian of the batched map is block
diagonal, one block J_i = df/dz(z_i) a state, and one product with it is n products at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel


def plain_attention() -> AbstractContextManager[Any]:
    """Attention by its formula: PyTorch's fused kernels have no second or forward derivative."""
    return sdpa_kernel(SDPBackend.MATH)


class Linearization(ABC):
    """`f` linearized at each state of a batch.

    Attributes:
        states: `(n, *shape)`, where the linearization was made.
        values: `(n, *shape)`, `f(states)`.
        products: How many Jacobian-vector products, of either kind, were made for each state.
    """

    states: Float[Tensor, "n *shape"]
    values: Float[Tensor, "n *shape"]
    products: int

    def jvp(self, V: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """`J_i v_i` for each state: forward mode's product."""
        self.products += 1
        with torch.no_grad():
            return self._push(V[None])[0]

    def vjp(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """`J_i^T u_i` for each state: reverse mode's product."""
        self.products += 1
        with torch.no_grad():
            return self._pull(U)

    def dense(self, *, chunk: int | None = None) -> Float[Tensor, "n d d"]:
        """Returns the Jacobians themselves, `d` products in chunks of `chunk` columns at once.

        Memory: `n d^2` entries for the result, `n chunk` times the map's own for each chunk.
        """
        n, d = self.states.shape[0], self.states.shape[1:].numel()
        columns = torch.eye(d, dtype=self.states.dtype, device=self.states.device)
        self.products += d
        jacobians = self.states.new_empty(n, d, d)
        step = chunk or d
        with torch.no_grad():
            for start in range(0, d, step):
                block = columns[start : start + step]
                tangents = block.reshape(-1, 1, *self.states.shape[1:]).expand(
                    -1, *self.states.shape
                )
                images = self._push(tangents)
                jacobians[:, :, start : start + step] = images.reshape(len(block), n, d).permute(
                    1, 2, 0
                )
        return jacobians

    @abstractmethod
    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        """`J_i v` for each state and each of `k` vectors."""

    @abstractmethod
    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """`J_i^T u_i` for each state."""


class AutogradLinearization(Linearization):
    """Any map's, by PyTorch's derivatives.

    Reverse mode gives u -> J^T u from one evaluation of f. That map is linear, so its own reverse
    mode is v -> (J^T)^T v = J v: the same stored activations serve both directions, and no product
    evaluates f again (the double-backward identity, J. Townsend, 2017).
    """

    def __init__(self, f: Callable[[Tensor], Tensor], states: Float[Tensor, "n *shape"]) -> None:
        """Evaluates `f` at `states` and keeps what its derivative needs."""
        self.states = states
        self.products = 0
        with torch.no_grad(), plain_attention():
            self.values, self._transposed = vjp(f, states)[:2]
            self._forward = vjp(lambda u: self._transposed(u)[0], torch.zeros_like(states))[1]

    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        if len(V) == 1:
            return self._forward(V[0])[0][None]
        return vmap(lambda v: self._forward(v)[0])(V)

    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        return self._transposed(U)[0]
