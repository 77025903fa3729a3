"""The weight layers."""

import math

import pytest
import torch

from mnemoscope.nets import Convolutional, FullyConnected, NTKConv2d, NTKLinear
from mnemoscope.nets.layers import convolution, linear


def test_an_ntk_linear_layer_scales_its_weights_and_not_its_bias():
    layer = NTKLinear(2, 1, device="meta").to_empty(device="cpu")
    layer.scale = 0.5
    layer.load_state_dict({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])})
    # 0.5 * (1 * 4 + 2 * 6) + 3
    assert layer(torch.tensor([[4.0, 6.0]])).tolist() == [[11.0]]


def test_an_ntk_convolution_scales_its_weights_and_not_its_bias():
    layer = NTKConv2d(1, 1, 3, padding=1, device="meta").to_empty(device="cpu")
    layer.scale = 0.5
    layer.load_state_dict({"weight": torch.ones(1, 1, 3, 3), "bias": torch.tensor([3.0])})
    # The corners of a 3x3 picture of ones see four ones, the edges six, the centre nine.
    corner, edge, centre = 0.5 * 4 + 3, 0.5 * 6 + 3, 0.5 * 9 + 3
    assert layer(torch.ones(1, 1, 3, 3))[0, 0].tolist() == [
        [corner, edge, corner],
        [edge, centre, edge],
        [corner, edge, corner],
    ]


def test_the_gradient_of_an_ntk_layer_carries_the_scale():
    layer = NTKLinear(2, 1, device="meta").to_empty(device="cpu")
    layer.scale = 0.5
    layer(torch.tensor([[4.0, 6.0]])).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[2.0, 3.0]]
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [1.0]


@pytest.mark.parametrize(
    ("activation", "gain"), [("identity", 1.0), ("relu", math.sqrt(2)), ("selu", 0.75)]
)
def test_the_scale_is_the_gain_over_the_root_of_the_inputs(activation: str, gain: float):
    dense = linear(FullyConnected(shape=(16,), init="ntk", activation=activation), 16, 3)
    spec = Convolutional(shape=(4, 2, 2), init="ntk", activation=activation)
    conv = convolution(spec, 4, 2, kernel_size=5)
    assert isinstance(dense, NTKLinear)
    assert dense.scale == pytest.approx(gain / 4)
    assert isinstance(conv, NTKConv2d)
    assert conv.scale == pytest.approx(gain / 10)
    assert "scale=" in repr(dense)
    assert "scale=" in repr(conv)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("init", ["default", "ntk"])
def test_layers_hold_shapes_without_numbers(bias: bool, init: str):
    spec = Convolutional(shape=(4, 2, 2), bias=bias, init=init)
    for layer in (linear(spec, 4, 3), convolution(spec, 4, 3, stride=2)):
        assert all(parameter.is_meta for parameter in layer.parameters())
        assert (layer.bias is not None) == bias
        assert isinstance(layer, NTKLinear | NTKConv2d) == (init == "ntk")


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_convolution_of_stride_1_keeps_the_size_and_of_stride_2_halves_it(kernel_size: int):
    spec = Convolutional(shape=(1, 8, 6))
    for stride, size in [(1, (8, 6)), (2, (4, 3))]:
        layer = convolution(spec, 1, 5, kernel_size=kernel_size, stride=stride)
        z = torch.empty(2, 1, 8, 6, device="meta")
        assert layer(z).shape == (2, 5, *size)
