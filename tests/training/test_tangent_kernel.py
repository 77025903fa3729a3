import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.nets import ACTIVATIONS
from mnemoscope.training import parameter_linearization
from mnemoscope.training import tangent_kernel as module
from mnemoscope.training.tangent_kernel import can_form_kernel, tangent_kernel
from tests.parameter_jacobians import fully_connected, jacobian, states

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def assert_is_kernel(K, J):
    assert K.dtype == torch.float64
    expected = J @ J.mT
    # Sums of some hundred products, each rounded to 1e-16 of the largest.
    assert (K - expected).abs().max() <= 1e-13 * expected.abs().max()


class Doubled(nn.Module):
    """A module of the user's own, with a tied parameter, a buffer and chance."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(5, 5, generator=generator))
        self.register_buffer("shift", torch.randn(5, generator=generator))
        self.dropout = nn.Dropout(0.5)

    def forward(self, z):
        return self.dropout(torch.sin(z @ self.weight + self.shift)) @ self.weight.mT


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_layer_by_layer_it_is_that_of_autograd(activation, bias):
    X = states(2, 3)
    for changes in ({"depth": 1}, {"depth": 3, "width": (7, 4)}):
        net = fully_connected(activation=activation, bias=bias, **changes)
        assert_is_kernel(tangent_kernel(net, X), jacobian(net, X))


@pytest.mark.parametrize(
    "changes",
    [
        {"init": "ntk", "activation": "relu"},
        {"init": "ntk", "bias": False},
        {"activation": "leaky_relu(0.05)"},
        {"output_activation": "sigmoid"},
        {"depth": 1, "init": "ntk"},
    ],
    ids=str,
)
def test_of_every_fully_connected_spec(changes):
    net, X = fully_connected(**changes), states(2, 3)
    assert_is_kernel(tangent_kernel(net, X), jacobian(net, X))


def test_of_one_linear_layer_by_hand():
    # f = W x: df_i/dW_jk = (i = j) x_k, so the kernel is x.x' times the identity.
    net, X = fully_connected(depth=1, activation="identity", bias=False), states(2, 3)
    inner = X.flatten(1) @ X.flatten(1).mT
    expected = torch.kron(inner, torch.eye(6, dtype=torch.float64))
    assert torch.allclose(tangent_kernel(net, X), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    "spec",
    [
        mn.nets.Convolutional(shape=(1, 4, 4), channels=3, depth=4, downsample=1),
        mn.nets.Convolutional(shape=(2, 4, 4), channels=3, depth=2, bias=False, init="ntk"),
        mn.nets.UNet(shape=(1, 4, 4), channels=2, levels=1, activation="silu"),
    ],
    ids=["strides", "ntk", "unet"],
)
def test_of_convolutions(spec):
    net, X = spec.build(seed=0, dtype=torch.float64).eval(), states(*spec.shape)
    assert_is_kernel(tangent_kernel(net, X), jacobian(net, X))


def test_of_a_module_of_the_users_own(monkeypatch):
    monkeypatch.setattr(parameter_linearization, "ROWS_AT_ONCE", 2)
    net, X = Doubled().double().eval(), states(5)
    assert_is_kernel(tangent_kernel(net, X), jacobian(net, X))


def test_frozen_parameters_have_no_part_in_it():
    net, X = fully_connected(), states(2, 3)
    net.body.linear_2.requires_grad_(False)
    net.body.linear_3.bias.requires_grad_(False)
    J = jacobian(net, X)
    assert J.shape[1] == 7 * 6 + 7 + 6 * 7
    assert_is_kernel(tangent_kernel(net, X), J)


def test_a_network_that_is_not_what_its_spec_says():
    net, X = fully_connected(), states(2, 3)
    net.body.activation_1 = nn.Softplus()
    assert_is_kernel(tangent_kernel(net, X), jacobian(net, X))


def test_it_is_in_float64_whatever_the_networks_dtype():
    net, X = fully_connected().float(), states(2, 3, dtype=torch.float32)
    kernel = tangent_kernel(net, X)
    assert_is_kernel(kernel, jacobian(net.double(), X.double()))


def test_a_kernel_is_formed_within_its_bounds(monkeypatch):
    # 3,072 outputs: 48 digits of 64 entries.
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=8, depth=2).build(seed=0)
    assert can_form_kernel(net, torch.zeros(48, 1, 8, 8))
    assert not can_form_kernel(net, torch.zeros(49, 1, 8, 8))
    # The Jacobian that only the other networks need: 32 x 18 entries.
    spec = mn.nets.Convolutional(shape=(1, 4, 4), channels=1, depth=2, bias=False)
    monkeypatch.setattr(module, "JACOBIAN_ENTRIES", 32 * 18)
    assert can_form_kernel(spec.build(seed=0), torch.zeros(2, 1, 4, 4))
    assert not can_form_kernel(spec.build(seed=0), torch.zeros(3, 1, 4, 4))
    assert can_form_kernel(net, torch.zeros(48, 1, 8, 8))
