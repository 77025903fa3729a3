"""Fully connected networks linearized by the chain rule, compared with autograd."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps.linearization import AutogradLinearization, ChainLinearization
from tests.known_maps import DTYPES

FIELDS = [
    *[{"activation": name} for name in mn.nets.ACTIVATIONS],
    {"depth": 1, "activation": "tanh"},
    {"init": "ntk", "activation": "selu"},
    {"bias": False, "output_activation": "sigmoid"},
    {"width": (3, 11)},
]


def network(dtype, **fields):
    return mn.nets.FullyConnected(**{"shape": (2, 3), "width": 7, "depth": 3, **fields}).build(
        seed=1, dtype=dtype
    )


def states(n, dtype, seed=0):
    return torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("power", [1, 3])
@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_products_both_ways_and_the_jacobians_are_autograds(fields, power, dtype):
    f = mn.SelfMap(network(dtype, **fields)) ** power
    Z, V = states(4, dtype), states(4, dtype, seed=1)
    chain = f.linearize(Z)
    assert isinstance(chain, ChainLinearization)
    plain = AutogradLinearization(f._apply, Z)
    # At most nine layers; each sums ten products of order 1.
    close = {"rtol": 0, "atol": 200 * torch.finfo(dtype).eps}
    assert torch.allclose(chain.values, plain.values, **close)
    assert torch.allclose(chain.jvp(V), plain.jvp(V), **close)
    assert torch.allclose(chain.vjp(V), plain.vjp(V), **close)
    assert chain.products == plain.products == 2
    assert torch.allclose(chain.dense(), plain.dense(), **close)
    # Products of other batch sizes may round otherwise.
    assert torch.allclose(chain.dense(chunk=4), chain.dense(), **close)


def test_the_jacobian_by_hand():
    net = network(torch.float64, depth=2, width=4, activation="tanh")
    first, second = net.body.linear_1, net.body.linear_2
    z = states(1, torch.float64)
    slope = 1 - torch.tanh(first(z.flatten(1))) ** 2
    J = second.weight @ torch.diag(slope[0]) @ first.weight
    assert torch.allclose(mn.SelfMap(net).linearize(z).dense()[0], J, rtol=0, atol=1e-14)


def test_it_builds_no_graph_and_leaves_the_network_alone():
    net = network(torch.float32)
    before = [p.detach().clone() for p in net.parameters()]
    linear = mn.SelfMap(net).linearize(states(2, torch.float32))
    V = states(2, torch.float32, seed=3)
    kept = V.clone()
    assert not linear.jvp(V).requires_grad
    assert not linear.vjp(V).requires_grad
    assert torch.equal(V, kept)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    "f",
    [
        mn.SelfMap(nn.Linear(3, 3), shape=(3,)),
        mn.SelfMap(mn.nets.Convolutional(shape=(1, 4, 4), channels=2, depth=2).build(seed=0)),
        mn.SelfMap(network(torch.float32)) @ mn.SelfMap(lambda z: 2 * z, shape=(2, 3)),
    ],
    ids=["another module", "convolutional", "composed with a function"],
)
def test_other_maps_are_left_to_autograd(f):
    Z = torch.rand(2, *f.shape, generator=torch.Generator().manual_seed(0))
    assert isinstance(f.linearize(Z), AutogradLinearization)


def test_a_network_that_was_changed_is_left_to_autograd():
    net = network(torch.float32)
    net.body.activation_1 = nn.ReLU()
    f = mn.SelfMap(net)
    Z = states(2, torch.float32)
    linear = f.linearize(Z)
    assert isinstance(linear, AutogradLinearization)
    # The same products; with gradients on they may go through other kernels.
    assert torch.allclose(linear.values, f(Z), rtol=1e-5, atol=1e-6)
