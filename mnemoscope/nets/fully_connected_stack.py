"""R fully connected networks as one: batched matrix products, and their gradient written out.

With `a_0 = x`, `z_l = s_l W_l a_(l-1) + b_l` and `a_l = phi_l(z_l)` the covectors of the mean
squared error `E` over `n d` entries are `u_L = 2 (a_L - y) / (n d) * phi_L'(z_L)` and
`u_(l-1) = s_l W_l^T u_l * phi_(l-1)'(z_(l-1))`; the gradients are `dE/dW_l = s_l u_l a_(l-1)^T`
and `dE/db_l = u_l`, summed over the examples (Rumelhart, Hinton, Williams 1986). `s_l` is 1 but in
the NTK parameterization.

Written out, a step is three products a layer and little besides that takes time; as a graph it
costs several times as much at the sizes of interest.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.nets.activations import (
    activation_function,
    activation_into,
    activation_pullback,
)
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.stack import Stack


class FullyConnectedStack(Stack):
    """R fully connected networks of one spec."""

    def __init__(
        self, spec: FullyConnected, parameters: Sequence[Float[Tensor, "r *shape"]]
    ) -> None:
        """Takes a copy of the parameters."""
        super().__init__(spec, parameters)
        step = 2 if spec.bias else 1
        self._weights, self._weight_gradients = self.parameters[::step], self.gradients[::step]
        none: list[None] = [None] * spec.depth
        self._biases = [b[:, None] for b in self.parameters[1::2]] if spec.bias else none
        self._bias_gradients = self.gradients[1::2] if spec.bias else none
        layers = [m for m in spec.skeleton() if isinstance(m, nn.Linear)]
        self._scales = [float(getattr(layer, "scale", 1.0)) for layer in layers]
        names = [spec.activation] * (spec.depth - 1) + [spec.last_activation]
        self._functions = [activation_function(name) for name in names]
        self._into = [activation_into(name) for name in names]
        self._pullbacks = [activation_pullback(name) for name in names]
        self._buffers: dict[int, _Buffers] = {}

    @torch.no_grad()
    def forward(self, Z: Float[Tensor, "r n *shape"]) -> Float[Tensor, "r n *shape"]:
        """Every network at its own batch of states; builds no graph."""
        a = Z.flatten(2)
        for i, function in enumerate(self._functions):
            a = function(self._affine(i, a, None))
        return a.reshape(Z.shape)

    @torch.no_grad()
    def pull(
        self, X: Float[Tensor, "r n *shape"], Y: Float[Tensor, "r n *shape"]
    ) -> Float[Tensor, "r n *shape"]:
        """Leaves in `gradient` that of each network's mean squared error; returns `f(X) - Y`.

        What is returned is overwritten by the next call.
        """
        n = X.shape[1]
        if n not in self._buffers:
            self._buffers[n] = _Buffers(self._weights, n)
        buffers = self._buffers[n]
        a, inputs = X.flatten(2), []
        for i, into in enumerate(self._into):
            inputs.append(a)
            a = into(self._affine(i, a, buffers.z[i]), buffers.a[i])
        inputs.append(a)
        error = torch.sub(a, Y.flatten(2), out=buffers.error)
        u = torch.mul(error, 2 / error[0].numel(), out=buffers.u[-1])
        for i in reversed(range(len(self._weights))):
            u = self._pullbacks[i](u, buffers.z[i], inputs[i + 1])
            _product(u.mT, inputs[i], self._scales[i], self._weight_gradients[i])
            bias = self._bias_gradients[i]
            if bias is not None:
                torch.sum(u, 1, out=bias)
            if i:
                u = _product(u, self._weights[i], self._scales[i], buffers.u[i - 1])
        return error.view(X.shape)

    def _affine(self, layer: int, a: Tensor, out: Tensor | None) -> Tensor:
        bias, scale = self._biases[layer], self._scales[layer]
        W = self._weights[layer].mT
        if bias is None:
            return _product(a, W, scale, out)
        return torch.baddbmm(bias, a, W, alpha=scale, out=out)


class _Buffers:
    """What a pass over `n` examples of each network writes to, made once.

    Attributes:
        z: `(r, n, width)` for each layer, before its activation.
        a: Likewise, after it.
        u: Likewise, covectors.
        error: `(r, n, d)`, outputs less targets.
    """

    def __init__(self, weights: list[Tensor], n: int) -> None:
        self.z = [W.new_empty(len(W), n, W.shape[1]) for W in weights]
        self.a = [torch.empty_like(z) for z in self.z]
        self.u = [torch.empty_like(z) for z in self.z]
        self.error = torch.empty_like(self.z[-1])


def _product(A: Tensor, B: Tensor, scale: float, out: Tensor | None) -> Tensor:
    product = torch.bmm(A, B, out=out)
    return product if scale == 1 else product.mul_(scale)
