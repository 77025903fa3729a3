"""Products with the Jacobian of a network in its parameters, against the whole Jacobian."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.nets import ACTIVATIONS
from mnemoscope.training.parameter_linearization import (
    RecordedLinearization,
    WrittenOutLinearization,
    linearize_parameters,
    split,
)
from tests.parameter_jacobians import fully_connected, jacobian, states

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

ROUNDING = {"rtol": 1e-12, "atol": 1e-12}
"""Sums of at most a few hundred products of order 1, in float64."""


def assert_products(linear, J):
    v, u = states(J.shape[1], n=1)[0], states(J.shape[0], n=1)[0]
    assert (linear.size, len(linear.weights)) == tuple(J.shape)
    assert torch.allclose(linear.push(v), J @ v, **ROUNDING)
    assert torch.allclose(linear.pull(u), J.mT @ u, **ROUNDING)


class Squared(nn.Module):
    """A module of the user's own, with a tied parameter and a buffer."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(5, 5, generator=generator))
        self.register_buffer("shift", torch.randn(5, generator=generator))

    def forward(self, z):
        return torch.sin(z @ self.weight + self.shift) @ self.weight.mT


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_written_out_they_are_those_with_the_jacobian(activation):
    X = states(2, 3)
    for changes in ({"depth": 1}, {"width": (7, 4)}, {"bias": False}, {"init": "ntk"}):
        net = fully_connected(activation=activation, **changes)
        linear = linearize_parameters(net, X)
        assert type(linear) is WrittenOutLinearization
        assert_products(linear, jacobian(net, X))


def test_of_one_linear_layer_by_hand():
    # f = W x + b: J v is dW x + db, and J^T u has the outer product of u and x, and u.
    net, X = fully_connected(depth=1, activation="identity"), states(2, 3, n=1)
    linear, u = linearize_parameters(net, X), states(6, n=1)[0]
    expected = torch.cat([torch.outer(u, X.flatten()).flatten(), u])
    assert torch.allclose(linear.pull(u), expected, **ROUNDING)
    # So J J^T is |x|^2 + 1.
    assert torch.allclose(linear.push(linear.pull(u)), (X.square().sum() + 1) * u, **ROUNDING)


@pytest.mark.parametrize("frozen", [False, True])
def test_recorded_they_are_those_with_the_jacobian(frozen):
    net, X = (fully_connected(), states(2, 3)) if frozen else (Squared().double(), states(5))
    if frozen:
        net.body.linear_2.requires_grad_(False)
    linear, J = linearize_parameters(net, X), jacobian(net, X)
    assert type(linear) is RecordedLinearization
    assert_products(linear, J)
    assert torch.allclose(linear.rows(), J, **ROUNDING)


def test_they_are_in_float64_whatever_the_networks_dtype():
    net, X = fully_connected().float(), states(2, 3, dtype=torch.float32)
    linear = linearize_parameters(net, X)
    assert_products(linear, jacobian(net.double(), X.double()))


def test_split_is_the_way_back_from_the_weights():
    net = fully_connected()
    net.body.linear_1.requires_grad_(False)
    parts = split(net, linearize_parameters(net, states(2, 3)).weights)
    own = {name: p for name, p in net.named_parameters() if p.requires_grad}
    assert list(parts) == list(own)
    assert all(torch.equal(parts[name], own[name]) for name in own)


def test_attention_has_both_products():
    # Its fused kernel has no second derivative.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).double().eval()
    linear = RecordedLinearization(layer, states(3, 4))
    J = linear.rows()
    v = states(J.shape[1], n=1)[0]
    assert torch.allclose(linear.push(v), J @ v, **ROUNDING)


class OnlyFloat32(nn.Module):
    """Insists on its dtype."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4, bias=False)

    def forward(self, z):
        return self.linear(z.float())


def test_a_module_that_cannot_be_float64_is_refused():
    with torch.random.fork_rng():
        net = OnlyFloat32()
    with pytest.raises(mn.MnemoscopeError, match=r"OnlyFloat32 that gives no derivative .* adam"):
        linearize_parameters(net, torch.zeros(2, 4))
