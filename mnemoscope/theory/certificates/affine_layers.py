"""Networks as matrices: fully connected and convolutional layers, written out in float64.

The map a certificate speaks of is the one of real numbers whose weights, biases and slopes are the
network's own numbers: a float32, float16 or bfloat16 is a float64. The matrix of a layer is exact
but where a scale multiplies the weights, or where taps of a kernel fall on one pixel before it is
enlarged; there `error` bounds what rounding did.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps import SelfMap
from mnemoscope.nets.activations import activation_module
from mnemoscope.nets.convolutional import Convolutional
from mnemoscope.nets.layers import NTKConv2d
from mnemoscope.nets.plain import plain_layers
from mnemoscope.nets.spec import Network
from mnemoscope.theory.certificates.rounding import UNIT, UP, frobenius, gamma, proved_norm

MAX_ENTRIES = 2**25
"""Entries that a layer's matrix may have: 256 MiB. A convolution on 16 channels of 16 x 16 pixels
has half as many."""


@dataclass(frozen=True)
class AffineLayer:
    """`a -> phi(W a + b)`.

    Attributes:
        weight: `(outputs, inputs)` float64.
        error: How far the weight can be from the true one, in the Frobenius norm.
        bias: `(outputs,)` float64.
        activation: Its name.
    """

    weight: Float[Tensor, "outputs inputs"]
    error: float
    bias: Float[Tensor, " outputs"]
    activation: str

    @cached_property
    def magnitude(self) -> Float[Tensor, "outputs inputs"]:
        """The moduli of the weights."""
        return self.weight.abs()

    @cached_property
    def frobenius(self) -> float:
        """No less than the Frobenius norm of the weight."""
        return (frobenius(self.weight) + self.error) * UP

    @cached_property
    def norm(self) -> float:
        """No less than the spectral norm of the true weight."""
        return proved_norm(self.weight, self.error)


def affine_layers(f: SelfMap) -> list[AffineLayer]:
    """Returns the layers of a map whose stages are all fully connected or convolutional networks.

    An error where a stage is another map, was changed after it was built, is too large, its numbers
    are not finite, or its states have bounds, beyond which balls would reach.
    """
    if any(box is not None for box in f.boxes):
        raise MnemoscopeError(
            f"a map with the domain {f.domain}",
            expected="a map of all states: a certified ball may reach beyond the domain's bounds",
            todo="certify the map without its domain; that says nothing of orbits that leave it",
        )
    layers = []
    for stage in f.stages:
        found = _fully_connected(stage) or _convolutional(stage)
        if found is None:
            spec = getattr(stage, "spec", None)
            name = type(stage if spec is None else spec).__name__
            raise MnemoscopeError(
                f"a map with a stage that cannot be certified: {name}",
                expected="fully connected or convolutional networks as their specs build them, "
                "each layer a linear map and an activation",
                todo="build it with mn.nets.FullyConnected or mn.nets.Convolutional; for other "
                "maps there is mn.spectral_radius, which proves nothing",
            )
        layers += found
    if not all(bool(torch.isfinite(p).all()) for m in layers for p in (m.weight, m.bias)):
        raise MnemoscopeError(
            "a network with weights that are NaN or infinite",
            expected="finite weights",
            todo="train again with a smaller learning rate",
        )
    return layers


def _fully_connected(net: object) -> list[AffineLayer] | None:
    plain = plain_layers(net)
    if plain is None:
        return None
    assert isinstance(net, Network)
    layers = []
    for i, layer in enumerate(plain):
        last = i == len(plain) - 1
        activation = net.spec.last_activation if last else net.spec.activation
        weight = _exact(layer.weight)
        _check_entries(*weight.shape)
        layers.append(_layer(weight, 0.0, layer.scale, layer.bias, activation))
    return layers


def _convolutional(net: object) -> list[AffineLayer] | None:
    if type(net) is not Network or not isinstance(net.spec, Convolutional):
        return None
    spec = net.spec
    if not _as_built(net):
        return None
    layers = []
    size, enlarged = spec.shape[1:], False
    for module in net.body.children():
        if isinstance(module, nn.Upsample):
            enlarged = True
        elif isinstance(module, nn.Conv2d):
            kernel, stride = _exact(module.weight), int(module.stride[0])
            _check_entries(kernel.shape[0] * _after(size, stride, enlarged), kernel.shape[1], *size)
            weight = convolution_matrix(kernel, size, stride=stride, enlarged=enlarged)
            error = 0.0
            if enlarged:
                taps = kernel.shape[2] * kernel.shape[3]
                moduli = convolution_matrix(kernel.abs(), size, stride=stride, enlarged=True)
                error = gamma(taps) * frobenius(moduli) * UP
            size = tuple(s * (2 if enlarged else 1) // stride for s in size)
            pixels = size[0] * size[1]
            bias = None if module.bias is None else module.bias.repeat_interleave(pixels)
            scale = module.scale if isinstance(module, NTKConv2d) else 1.0
            last = len(layers) == spec.depth - 1
            activation = spec.last_activation if last else spec.activation
            layers.append(_layer(weight, error, scale, bias, activation))
            enlarged = False
    return layers


def convolution_matrix(
    kernel: Float[Tensor, "o i k k"], size: tuple[int, ...], *, stride: int, enlarged: bool
) -> Float[Tensor, "outputs inputs"]:
    """Returns the matrix of a zero-padded convolution with an odd kernel, placed entry by entry.

    `size` is the input's height and width, which `stride` divides; `enlarged`: each pixel is first
    doubled in height and width.
    """
    factor = 2 if enlarged else 1
    outputs, inputs, k, _ = kernel.shape
    height, width = (s * factor for s in size)
    matrix = kernel.new_zeros(outputs, height // stride, width // stride, inputs, *size)
    for dy in range(k):
        y, from_y = _tap(dy - k // 2, height, stride, factor)
        for dx in range(k):
            x, from_x = _tap(dx - k // 2, width, stride, factor)
            # No entry is met twice within one tap: an output pixel reads one input pixel.
            value = kernel[:, :, dy, dx].expand(len(y), len(x), -1, -1)
            matrix[:, y[:, None], x[None, :], :, from_y[:, None], from_x[None, :]] += value
    return matrix.reshape(outputs * (height // stride) * (width // stride), -1)


def _tap(offset: int, length: int, stride: int, factor: int) -> tuple[Tensor, Tensor]:
    """Returns the outputs along one side that read a pixel through this tap, and the pixels."""
    out = torch.arange(length // stride)
    read = out * stride + offset
    inside = (read >= 0) & (read < length)
    return out[inside], read[inside] // factor


def _layer(
    weight: Tensor, error: float, scale: float, bias: Tensor | None, activation: str
) -> AffineLayer:
    if scale != 1:
        weight = scale * weight
        error = (abs(scale) * error + UNIT * frobenius(weight)) * UP * UP
    if bias is None:
        bias = weight.new_zeros(len(weight))
    return AffineLayer(weight, error, _exact(bias), activation)


def _exact(parameter: Tensor) -> Tensor:
    return parameter.detach().to("cpu", torch.float64)


def _after(size: tuple[int, ...], stride: int, enlarged: bool) -> int:
    return size[0] * size[1] * (4 if enlarged else 1) // stride**2


def _check_entries(*sizes: int) -> None:
    entries = torch.Size(sizes).numel()
    if entries > MAX_ENTRIES:
        raise MnemoscopeError(
            f"a layer whose matrix has {entries} entries",
            expected=f"{MAX_ENTRIES} at most",
            todo="certify a narrower network, or one of smaller states",
        )


def _as_built(net: Network) -> bool:
    """Decides whether the layers are those of the spec: none replaced, added, hooked or wrapped."""
    built = list(net.spec.skeleton().modules())
    found = list(net.body.modules())
    if len(built) != len(found) or net._forward_hooks or net._forward_pre_hooks:
        return False
    for one, other in zip(built, found, strict=True):
        if type(one) is not type(other) or other._forward_hooks or other._forward_pre_hooks:
            return False
        if not isinstance(one, nn.Sequential) and one.extra_repr() != other.extra_repr():
            return False
    names = [net.spec.activation] * (net.spec.depth - 1) + [net.spec.last_activation]  # type: ignore[attr-defined]
    expected = [activation_module(name) for name in names]
    activations = [m for m in found[1:] if not isinstance(m, nn.Conv2d | nn.Upsample)]
    return [repr(m) for m in expected] == [repr(m) for m in activations]
