"""Networks as matrices, equal to the network."""

from copy import deepcopy

import pytest
import torch

import mnemoscope as mn
from mnemoscope.nets.activations import activation_function
from mnemoscope.theory.certificates.affine_layers import affine_layers, convolution_matrix

SPECS = [
    mn.nets.FullyConnected(shape=(2, 3), width=(4, 5), depth=3, activation="tanh"),
    mn.nets.FullyConnected(shape=(4,), depth=1, activation="sigmoid"),
    mn.nets.FullyConnected(shape=(4,), width=3, depth=2, init="ntk", bias=False),
    mn.nets.FullyConnected(shape=(4,), width=3, depth=2, output_activation="sin"),
    mn.nets.Convolutional(shape=(2, 4, 6), channels=3, depth=3, activation="relu"),
    mn.nets.Convolutional(shape=(1, 8, 8), channels=2, depth=5, downsample=2, init="ntk"),
    mn.nets.Convolutional(shape=(1, 4, 4), channels=2, depth=2, kernel_size=5, bias=False),
    mn.nets.Convolutional(shape=(1, 6, 4), depth=1, kernel_size=7, activation="elu"),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_layers_do_what_the_network_does(spec):
    net = spec.build(seed=3, dtype=torch.float64)
    layers = affine_layers(mn.SelfMap(net))
    Z = torch.randn(5, *spec.shape, generator=torch.Generator().manual_seed(0)).double()
    a = Z.flatten(1)
    for layer in layers:
        a = activation_function(layer.activation)(a @ layer.weight.T + layer.bias)
    assert torch.allclose(a, net(Z).detach().flatten(1), atol=1e-13, rtol=1e-13)


def test_float32_numbers_are_taken_as_they_are():
    net = SPECS[0].build(seed=0)
    layers = affine_layers(mn.SelfMap(net))
    assert torch.equal(layers[0].weight.float(), net.body.linear_1.weight)
    assert [layer.error for layer in layers] == [0, 0, 0]


def test_where_rounding_enters_there_is_a_bound():
    for spec, exact in [(SPECS[2], False), (SPECS[4], True), (SPECS[5], False)]:
        layers = affine_layers(mn.SelfMap(spec.build(seed=0)))
        assert all((layer.error == 0) == exact for layer in layers)
        assert all(layer.error < 1e-12 for layer in layers)


def test_a_convolution_of_ones_counts_the_taps_inside():
    # 3 x 3 pixels, a 3 x 3 kernel of ones: a corner sees 4 pixels, an edge 6, the middle 9.
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    matrix = convolution_matrix(ones, (3, 3), stride=1, enlarged=False)
    assert matrix.sum(1).tolist() == [4, 6, 4, 6, 9, 6, 4, 6, 4]
    # One pixel doubled to 2 x 2; each output sees all four.
    assert convolution_matrix(ones, (1, 1), stride=1, enlarged=True).tolist() == [[4]] * 4
    # With stride 2 the first output is at the first pixel.
    kernel = torch.arange(9.0).double().reshape(1, 1, 3, 3)
    halved = convolution_matrix(kernel, (2, 2), stride=2, enlarged=False)
    assert halved.tolist() == [[4, 5, 7, 8]]


def test_powers_and_compositions_are_chains():
    one, other = SPECS[1].build(seed=0), SPECS[2].build(seed=0)
    layers = affine_layers(mn.SelfMap(one) @ mn.SelfMap(other) ** 2)
    names = [layer.activation for layer in layers]
    assert names == ["leaky_relu", "identity", "leaky_relu", "identity", "sigmoid"]


def _replaced(net):
    position = len(net.body) - (2 if hasattr(net.body, "unflatten") else 1)
    net.body[position] = torch.nn.Tanh()


def _sloped(net):
    net.body[2 if "linear_1" in dict(net.body.named_children()) else 1] = torch.nn.LeakyReLU(0.5)


def _hooked(net):
    net.body[1].register_forward_hook(lambda module, args, output: output * 2)


def _hooked_outside(net):
    net.register_forward_pre_hook(lambda module, args: (args[0] * 2,))


def _parametrized(net):
    layer = next(m for m in net.body if hasattr(m, "weight"))
    torch.nn.utils.parametrizations.weight_norm(layer)


def _padded_otherwise(net):
    layer = next(m for m in net.body if hasattr(m, "padding_mode"))
    layer.padding_mode = "circular"


@pytest.mark.parametrize("change", [_replaced, _sloped, _hooked, _hooked_outside, _parametrized])
@pytest.mark.parametrize("spec", [SPECS[0], SPECS[2], SPECS[4], SPECS[5]], ids=str)
def test_networks_that_were_changed_are_refused(spec, change):
    net = deepcopy(spec.build(seed=0))
    change(net)
    with pytest.raises(mn.MnemoscopeError, match="cannot be certified"):
        affine_layers(mn.SelfMap(net))


def test_a_convolution_with_other_padding_is_refused():
    net = SPECS[4].build(seed=0)
    _padded_otherwise(net)
    with pytest.raises(mn.MnemoscopeError, match="cannot be certified"):
        affine_layers(mn.SelfMap(net))


def test_weights_that_are_not_finite_are_refused():
    net = SPECS[0].build(seed=0)
    with torch.no_grad():
        next(net.parameters())[0, 0] = torch.nan
    with pytest.raises(mn.MnemoscopeError, match="NaN"):
        affine_layers(mn.SelfMap(net))


def test_matrices_that_are_too_large_are_refused():
    spec = mn.nets.Convolutional(shape=(3, 64, 64), channels=8, depth=2)
    with pytest.raises(mn.MnemoscopeError, match="entries"):
        affine_layers(mn.SelfMap(spec.build(seed=0)))
