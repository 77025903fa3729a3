"""Fully connected networks, by hand."""

import pytest
import torch
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import FullyConnected, activation_function

Z = torch.tensor([[1.0, -2.0], [0.5, 3.0]])


def weights(spec: FullyConnected, *tensors: list) -> dict[str, Tensor]:
    names = [name for name, _ in spec.outline().named_parameters()]
    return {name: torch.tensor(t) for name, t in zip(names, tensors, strict=True)}


@pytest.mark.parametrize("activation", ["leaky_relu", "cosid", "sigmoid"])
def test_depth_1_is_phi_of_a_z_plus_b(activation: str):
    spec = FullyConnected(shape=(2,), depth=1, activation=activation)
    A, b = [[1.0, 2.0], [-1.0, 0.5]], [0.25, -1.0]
    net = spec.build()
    net.load_state_dict(weights(spec, A, b))
    phi = activation_function(activation)
    torch.testing.assert_close(net(Z), phi(Z @ torch.tensor(A).T + torch.tensor(b)))


def test_depth_1_is_linear_if_its_output_activation_says_so():
    spec = FullyConnected(shape=(2,), depth=1, output_activation="identity", bias=False)
    net = spec.build()
    net.load_state_dict(weights(spec, [[1.0, 2.0], [-1.0, 0.5]]))
    assert net(Z).tolist() == [[-3.0, -2.0], [6.5, 1.0]]


def test_deeper_the_activation_is_between_and_the_last_layer_is_linear():
    spec = FullyConnected(shape=(2,), width=1, depth=3, activation="leaky_relu", bias=False)
    net = spec.build()
    net.load_state_dict(weights(spec, [[1.0, 1.0]], [[-10.0]], [[1.0], [2.0]]))
    # z = (1, -2): sum -1, leaky -0.2, times -10 is 2, leaky 2, out (2, 4).
    # z = (0.5, 3): sum 3.5, leaky 3.5, times -10 is -35, leaky -7, out (-7, -14).
    torch.testing.assert_close(net(Z), torch.tensor([[2.0, 4.0], [-7.0, -14.0]]))


def test_deeper_the_output_activation_follows_the_last_layer():
    spec = FullyConnected(
        shape=(2,), width=1, depth=2, activation="identity", output_activation="relu", bias=False
    )
    net = spec.build()
    net.load_state_dict(weights(spec, [[1.0, 1.0]], [[1.0], [-1.0]]))
    assert net(Z).tolist() == [[0.0, 1.0], [3.5, 0.0]]


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"depth": 1, "activation": "sin"}, "sin"),
        ({"depth": 2, "activation": "sin"}, "identity"),
        ({"depth": 1, "activation": "sin", "output_activation": "tanh"}, "tanh"),
        ({"depth": 2, "activation": "sin", "output_activation": "tanh"}, "tanh"),
    ],
)
def test_the_last_activation_follows_from_the_depth(fields: dict, last: str):
    assert FullyConnected(shape=(2,), **fields).last_activation == last


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"shape": (1, 8, 8), "width": 256, "depth": 8}, 16_640 + 6 * 65_792 + 16_448),
        ({"shape": (3,), "depth": 1}, 12),
        ({"shape": (3,), "depth": 1, "bias": False}, 9),
        ({"shape": (3,), "width": (5, 2), "depth": 3}, 20 + 12 + 9),
    ],
)
def test_the_parameters_counted_by_hand(fields: dict, count: int):
    assert FullyConnected(**fields).parameters_count() == count


def test_one_width_is_the_width_of_every_hidden_layer():
    assert FullyConnected(shape=(3,), width=7, depth=4).widths == (7, 7, 7)
    assert FullyConnected(shape=(3,), width=(5, 2), depth=3).widths == (5, 2)
    assert FullyConnected(shape=(3,), depth=1).widths == ()
    assert FullyConnected(shape=(3,), width=(), depth=1).widths == ()


@pytest.mark.parametrize(("width", "depth"), [((), 2), ((3,), 1), ((3, 3), 2), ((3, 3), 4)])
def test_widths_that_are_not_one_for_each_hidden_layer_are_refused(width: tuple, depth: int):
    with pytest.raises(MnemoscopeError, match=f"{depth - 1} widths") as error:
        FullyConnected(shape=(2,), width=width, depth=depth)
    assert error.value.field == "width"


def test_a_state_is_read_row_by_row():
    spec = FullyConnected(shape=(2, 2), depth=1, activation="identity", bias=False)
    net = spec.build()
    shift = torch.eye(4).roll(1, dims=0)
    net.load_state_dict({"body.linear_1.weight": shift})
    state = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert net(state).tolist() == [[4.0, 1.0], [2.0, 3.0]]


def test_the_readme_network_has_its_layers_named():
    names = [name for name, _ in FullyConnected(shape=(3,), depth=2).outline().named_parameters()]
    assert names == [
        "body.linear_1.weight",
        "body.linear_1.bias",
        "body.linear_2.weight",
        "body.linear_2.bias",
    ]
