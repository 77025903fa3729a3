"""A map linearized by PyTorch's recorded graph: for what function transforms do not know.

`torch.func` needs a rule for each operation it goes through. The recorded graph needs less: an
`autograd.Function` whose backward pass is itself made of differentiable operations, checkpointed
layers, and kernels that keep what their derivative needs only while gradients are recorded.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import grad

from mnemoscope.maps.linearization import Linearization, plain_attention


class GraphLinearization(Linearization):
    """Any map's whose backward pass can be differentiated: `J v = d/du <J^T u, v>`."""

    def __init__(self, f: Callable[[Tensor], Tensor], states: Float[Tensor, "n *shape"]) -> None:
        """Evaluates `f` at `states` and keeps the graph."""
        self.states = states
        self.products = 0
        with torch.enable_grad(), plain_attention():
            self._given = states.clone().requires_grad_()
            self._made = f(self._given)
            self._covector = torch.zeros_like(states).requires_grad_()
            self._pulled = _gradient(self._made, self._given, self._covector, create_graph=True)
        self.values = self._made.detach()

    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        if not self._pulled.requires_grad:
            return torch.zeros_like(V)
        return torch.stack([self._pushed(v) for v in V])

    def _pushed(self, v: Tensor) -> Tensor:
        with torch.enable_grad(), plain_attention():
            # Where a backward pass is not recorded there is no path, and no error by default.
            (found,) = grad(self._pulled, self._covector, v, retain_graph=True)
        return found

    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        return _gradient(self._made, self._given, U)


class RowsLinearization(Linearization):
    """Any map's that can be differentiated once: the whole Jacobian, a row for each pullback."""

    def __init__(self, f: Callable[[Tensor], Tensor], states: Float[Tensor, "n *shape"]) -> None:
        """Forms the Jacobians at `states`, `(n, d, d)`."""
        self.states = states
        self.products = 0
        with torch.enable_grad(), plain_attention():
            given = states.clone().requires_grad_()
            made = f(given)
        n, d = len(states), states.shape[1:].numel()
        self._jacobians = states.new_empty(n, d, d)
        unit = torch.zeros_like(states).reshape(n, d)
        for row in range(d):
            unit[:, row] = 1
            pulled = _gradient(made, given, unit.reshape(states.shape))
            self._jacobians[:, row] = pulled.reshape(n, d)
            unit[:, row] = 0
        self.values = made.detach()

    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        vectors = V.flatten(2).permute(1, 2, 0)
        return (self._jacobians @ vectors).permute(2, 0, 1).reshape(V.shape)

    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        return (U.flatten(1)[:, None] @ self._jacobians)[:, 0].reshape(U.shape)


def _gradient(made: Tensor, given: Tensor, along: Tensor, *, create_graph: bool = False) -> Tensor:
    """Returns the pullback of a recorded tensor; 0 where it does not depend on what was given."""
    if not made.requires_grad:
        return torch.zeros_like(given)
    with torch.enable_grad(), plain_attention():
        (found,) = grad(
            made,
            given,
            along,
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    return torch.zeros_like(given) if found is None else found
