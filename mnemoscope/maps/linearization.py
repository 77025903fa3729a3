"""A map linearized at a batch of states: Jacobian-vector products, both ways, many times.

The map must act on each state of a batch by itself. Then the Jacobian of the batched map is block
diagonal, one block J_i = df/dz(z_i) a state, and one product with it is n products at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import grad
from torch.func import jvp, vjp, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.live_memory import TooMuch
from mnemoscope.nets.plain import PlainLayer


def plain_attention() -> AbstractContextManager[Any]:
    """Computes attention by its formula: fused kernels lack second and forward derivatives."""
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
        """Computes `J_i v_i` for each state: forward mode's product."""
        self.products += 1
        with torch.no_grad():
            return self._push(V[None])[0]

    def vjp(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Computes `J_i^T u_i` for each state: reverse mode's product."""
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
        """Computes `J_i v` for each state and each of `k` vectors."""

    @abstractmethod
    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        """Computes `J_i^T u_i` for each state."""


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


class ForwardLinearization(Linearization):
    """Any map's, in forward mode: one evaluation with tangents for each product and state.

    A dual number `z + eps v` goes through the layers: what comes out is `f(z) + eps J v`. No
    layer's output lives longer than in an evaluation, and each is held twice. There is no product
    with `J^T`, so eigenvalues can be had this way and singular values cannot.
    """

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
        reason = first_line(self._failure)
        raise MnemoscopeError(
            f"a product with the transposed Jacobian of a map without second "
            f"derivatives ({reason})",
            expected="operations whose backward pass PyTorch can differentiate",
            todo="replace that operation; eigenvalues and orbits can be had without it",
        ) from self._failure


class GraphLinearization(Linearization):
    """Any map's whose backward pass can be differentiated: `J v = d/du <J^T u, v>`.

    `torch.func` needs a rule for each operation it goes through. The recorded graph needs less: an
    `autograd.Function` whose backward pass is itself made of differentiable operations,
    checkpointed layers, and kernels that keep what their derivative needs only while gradients are
    recorded.
    """

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


class ChainLinearization(Linearization):
    """Fully connected networks after each other: the chain rule written out.

    With `z_l = s_l W_l a_(l-1) + b_l` and the slopes `D_l = phi_l'(z_l)`, `J v` is
    `D_L s_L W_L ... D_1 s_1 W_1 v`, and `J^T u` the same factors transposed from left to right. A
    product is one matrix product and one multiplication a layer, on all states and vectors at once.
    """

    def __init__(self, layers: Sequence[PlainLayer], states: Float[Tensor, "n *shape"]) -> None:
        """Evaluates the layers at `states` and keeps the slopes: one entry for each unit."""
        self.states = states
        self.products = 0
        self._weights = [layer.weight.detach() for layer in layers]
        self._slopes = []
        with torch.no_grad():
            a = states.flatten(1)
            for layer in layers:
                z = layer.affine(a)
                a = layer.phi(z)
                slope = torch.full_like(z, layer.scale)
                self._slopes.append(layer.pullback(slope, z, a))
        self.values = a.reshape(states.shape)

    def compressed(self, basis: Float[Tensor, "r d"]) -> "ChainLinearization":
        """Returns `Q J_i Q^T` for orthonormal rows `Q`: a chain with smaller outer matrices.

        Where every image of `J` lies in the span of the rows, the eigenvalues but zeros are those
        of `J`, and so are the residuals of eigenvectors.
        """
        other = copy(self)
        other.states = self.states.flatten(1) @ basis.T
        other.values = self.values.flatten(1) @ basis.T
        other._weights = [*self._weights]
        other._weights[0] = other._weights[0] @ basis.T
        other._weights[-1] = basis @ other._weights[-1]
        other._slopes = [*self._slopes]
        # The last slope is the scale alone, the same for every output.
        other._slopes[-1] = self._slopes[-1][:, :1].expand(-1, len(basis))
        return other

    def dense(self, *, chunk: int | None = None) -> Float[Tensor, "n e d"]:
        """Returns the Jacobians; the first layer's product with the identity is its weights."""
        d = self.states.shape[1:].numel()
        self.products += d
        parts = []
        with torch.no_grad():
            for columns in self._weights[0].T.split(chunk or d):
                v = columns[:, None] * self._slopes[0]
                for W, slope in zip(self._weights[1:], self._slopes[1:], strict=True):
                    v = functional.linear(v, W).mul_(slope)
                parts.append(v)
        return torch.cat(parts).permute(1, 2, 0).contiguous()

    @property
    def narrowest(self) -> int:
        """The first layer with the fewest inputs; 0 where that is the state."""
        inputs = [W.shape[1] for W in self._weights]
        return inputs.index(min(inputs))

    def turned(self, first: int) -> "ChainLinearization":
        """Returns the same factors, begun at another layer: `A B` for `J = B A`, where `A` ends.

        But for zeros its eigenvalues are those of `J`.
        """
        return self._of([*range(first, len(self._weights)), *range(first)])

    def ending(self, first: int) -> "ChainLinearization":
        """Returns the factors from a layer on: `B`, from that layer's inputs to the states."""
        return self._of(range(first, len(self._weights)))

    def beginning(self, first: int) -> "ChainLinearization":
        """Returns the factors before a layer: `A`, from the states to that layer's inputs."""
        return self._of(range(first))

    def _of(self, layers: Sequence[int]) -> "ChainLinearization":
        other = copy(self)
        other._weights = [self._weights[i] for i in layers]
        other._slopes = [self._slopes[i] for i in layers]
        other.states = self.states.new_zeros(len(self.states), other._weights[0].shape[1])
        other.values = self.values.new_zeros(len(self.values), other._weights[-1].shape[0])
        return other

    def _push(self, V: Float[Tensor, "k n *shape"]) -> Float[Tensor, "k n *shape"]:
        v = V.flatten(2)
        for W, slope in zip(self._weights, self._slopes, strict=True):
            v = functional.linear(v, W).mul_(slope)
        return v.reshape(V.shape[:1] + self.values.shape)

    def _pull(self, U: Float[Tensor, "n *shape"]) -> Float[Tensor, "n *shape"]:
        u = U.flatten(1)
        for W, slope in zip(reversed(self._weights), reversed(self._slopes), strict=True):
            u = (u * slope) @ W
        return u.reshape(self.states.shape)
