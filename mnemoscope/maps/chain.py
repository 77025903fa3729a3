"""A fully connected network linearized: the chain rule written out.

With `z_l = s_l W_l a_(l-1) + b_l` and the slopes `D_l = phi_l'(z_l)`, `J v` is
`D_L s_L W_L ... D_1 s_1 W_1 v`, and `J^T u` the same factors transposed from left to right. A
product is one matrix product and one multiplication a layer, on all states and vectors at once.
"""

from collections.abc import Sequence
from copy import copy

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mnemoscope.maps.linearization import Linearization
from mnemoscope.nets.plain import PlainLayer


class ChainLinearization(Linearization):
    """One or more fully connected networks after each other, linearized at each state."""

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
