"""The layers of a fully connected network that is just what its spec says."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnemoscope.nets.activations import Pullback, activation_module, activation_pullback
from mnemoscope.nets.fully_connected import FullyConnected
from mnemoscope.nets.layers import NTKLinear
from mnemoscope.nets.spec import Network


@dataclass(frozen=True)
class PlainLayer:
    """`a -> phi(scale * W a + b)`.

    Attributes:
        weight: `(outputs, inputs)`.
        bias: `(outputs,)`, or None.
        scale: 1 but in the NTK parameterization.
        phi: The activation.
        pullback: What pulls back through it.
    """

    weight: Float[Tensor, "outputs inputs"]
    bias: Float[Tensor, " outputs"] | None
    scale: float
    phi: nn.Module
    pullback: Pullback

    def to(self, device: torch.device, dtype: torch.dtype) -> "PlainLayer":
        """Returns the same layer with copies of its parameters."""
        bias = None if self.bias is None else self.bias.detach().to(device, dtype)
        return replace(self, weight=self.weight.detach().to(device, dtype), bias=bias)

    def affine(self, a: Float[Tensor, "*n inputs"]) -> Float[Tensor, "*n outputs"]:
        """Computes `scale * W a + b`; the scale is put on the inputs, because they are fewer."""
        scaled = a if self.scale == 1 else self.scale * a
        return functional.linear(scaled, self.weight, self.bias)


def plain_layers(net: object) -> list[PlainLayer] | None:
    """Returns the layers of a fully connected network, or None if it is another or was changed.

    It was if a layer was replaced, added, hooked or parametrized: then what is written out for the
    spec is not what the network does.
    """
    if type(net) is not Network or not isinstance(net.spec, FullyConnected):
        return None
    spec = net.spec
    body = list(net.body.children())
    if type(net.body) is not nn.Sequential or len(body) != 2 + 2 * spec.depth:
        return None
    if type(body[0]) is not nn.Flatten or type(body[-1]) is not nn.Unflatten:
        return None
    layers = []
    names = [spec.activation] * (spec.depth - 1) + [spec.last_activation]
    for i, name in enumerate(names):
        linear, phi = body[1 + 2 * i], body[2 + 2 * i]
        expected = activation_module(name)
        if type(phi) is not type(expected) or phi.extra_repr() != expected.extra_repr():
            return None
        # Not a subclass: a parametrized layer is one.
        if type(linear) is not nn.Linear and type(linear) is not NTKLinear:
            return None
        scale = float(getattr(linear, "scale", 1.0))
        layers.append(PlainLayer(linear.weight, linear.bias, scale, phi, activation_pullback(name)))
    return None if any(map(_hooked, [net, net.body, *body])) else layers


def _hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
