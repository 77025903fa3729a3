"""The weight layers of the networks, made without numbers in them (on PyTorch's meta device)."""

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.initialization import gain, parse_initialization

if TYPE_CHECKING:
    from mnemoscope.nets.spec import Spec

MOST_WEIGHTS = 2**40
"""The most weights a layer may have, 4 TiB of float32."""


class _NTK(nn.Module):
    """A layer in the NTK parameterization.

    Attributes:
        scale: The factor of the weights in the forward pass.
    """

    scale: float = 1.0

    def forward(self, input: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape2"]:
        """Maps the inputs; they are scaled, because they are fewer than the weights."""
        return super().forward(self.scale * input)

    def extra_repr(self) -> str:
        """Returns the layer's sizes and its scale."""
        return f"{super().extra_repr()}, scale={self.scale:.6g}"


class NTKLinear(_NTK, nn.Linear):
    """A linear layer in the NTK parameterization: `scale * W z + b`.

    The stored `W` has entries of order 1 and the forward pass multiplies by `scale = gain /
    sqrt(fan_in)`, so that the tangent kernel has a limit as the width grows (Jacot, Gabriel and
    Hongler 2018).

    Attributes:
        scale: The factor of the weights in the forward pass.
    """


class NTKConv2d(_NTK, nn.Conv2d):
    """A convolution in the NTK parameterization: `scale * W z + b`; see `NTKLinear`.

    Attributes:
        scale: The factor of the weights in the forward pass.
    """


def linear(spec: "Spec", inputs: int, outputs: int) -> nn.Linear:
    """Builds a linear layer as the spec asks: with a bias or not, NTK-parameterized or not."""
    _check_size(spec, inputs * outputs)
    if not _is_ntk(spec):
        return nn.Linear(inputs, outputs, bias=spec.bias, device="meta")
    layer = NTKLinear(inputs, outputs, bias=spec.bias, device="meta")
    layer.scale = gain(spec.activation) / math.sqrt(inputs)
    return layer


def convolution(
    spec: "Spec",
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    replicas: int = 1,
) -> nn.Conv2d:
    """Builds a convolution as the spec asks, zero-padded so that stride 1 keeps the size."""
    _check_size(spec, replicas * inputs * outputs * kernel_size**2)
    kind = NTKConv2d if _is_ntk(spec) else nn.Conv2d
    layer = kind(
        replicas * inputs,
        replicas * outputs,
        kernel_size,
        groups=replicas,
        stride=stride,
        padding=(kernel_size - 1) // 2,
        bias=spec.bias,
        device="meta",
    )
    if isinstance(layer, NTKConv2d):
        layer.scale = gain(spec.activation) / math.sqrt(inputs * kernel_size**2)
    return layer


def _check_size(spec: "Spec", weights: int) -> None:
    # PyTorch counts bytes in 63 bits and says nothing of use when they overflow.
    if weights > MOST_WEIGHTS:
        raise MnemoscopeError(
            f"{spec!r} with {weights} weights in one layer does not fit into memory",
            expected=f"{MOST_WEIGHTS} at most",
            todo="make it narrower or the states smaller",
        )


def _is_ntk(spec: "Spec") -> bool:
    return parse_initialization(spec.init)[0] == "ntk"
