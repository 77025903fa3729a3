"""What a training is refused for; each in one line, and before anything has changed."""

import math

import pytest
import torch
from torch import nn

import mnemoscope as mn

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def net():
    return mn.nets.FullyConnected(shape=(4,), width=8, depth=2).build(seed=0)


def data(n=3, d=4):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0))


def refused(network, X, match=None, **options):
    before = [p.detach().clone() for p in network.parameters()]
    modes = [m.training for m in network.modules()]
    with pytest.raises(mn.MnemoscopeError, match=match) as error:
        mn.train(network, X, **options)
    assert "\n" not in str(error.value)
    assert all(map(torch.equal, before, network.parameters()))
    assert modes == [m.training for m in network.modules()]
    return error.value


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"batch_size": 4}, "batch_size"),
        ({"optimizer": "lbfgs", "batch_size": 2}, "batch_size"),
        ({"dtype": "float64"}, "dtype"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_the_examples_or_the_network(options, field):
    assert refused(net(), data(), options=mn.TrainingOptions(**options)).field == field


@pytest.mark.parametrize(
    ("targets", "match"),
    [
        (data(2), r"targets of shape \(2, 4\) for examples of shape \(3, 4\)"),
        ([1.0], "targets that are a list"),
        (data() / 0, r"infinity in the targets at index \[0, 0\]"),
    ],
)
def test_targets(targets, match):
    assert refused(net(), data(), match, targets=targets).field == "targets"


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (torch.empty(0, 4), r"examples of shape \(0, 4\)"),
        (torch.ones(4), r"examples of shape \(4,\)"),
        (torch.tensor(1.0), r"examples of shape \(\)"),
        ([[1.0, 2.0]], "examples that are a list"),
        (data(3, 5), r"\(1, 5\)"),
    ],
    ids=["empty", "one state", "a number", "a list", "of another shape"],
)
def test_examples(X, match):
    refused(net(), X, match)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_examples_that_are_not_finite_in_the_networks_dtype(value):
    X = data().double()
    X[1, 2] = value
    refused(net(), X, r"NaN or infinity in the examples at index \[1, 2\]")


class Tupled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, z):
        return self.layer(z), z


class Nothing(nn.Module):
    def forward(self, z):
        return z


@pytest.mark.parametrize(
    ("network", "match"),
    [
        (Nothing(), "a Nothing without parameters"),
        (nn.Linear(4, 4).requires_grad_(False), "a Linear without parameters to train"),
        (nn.Linear(4, 5), r"from states \(4,\) to outputs \(5,\); expected an output of its"),
        (nn.Linear(7, 7), r"a Linear that fails on a batch of shape \(1, 4\): RuntimeError: "),
        (Tupled(), "a network whose output is a tuple"),
    ],
    ids=["without parameters", "frozen", "of another shape", "one that fails", "a tuple"],
)
def test_networks(network, match):
    refused(network, data(), match)


def test_a_network_that_is_broken_before_the_first_step():
    network = net()
    with torch.no_grad():
        next(network.parameters())[0, 0] = math.nan
    with pytest.raises(mn.MnemoscopeError, match="loss is nan before the first step"):
        mn.train(network, data())


def test_batch_norm_is_not_touched_by_the_checks():
    # In training mode a batch of one would fail, and the running statistics would move.
    network = nn.Sequential(nn.BatchNorm1d(4))
    nn.init.constant_(network[0].weight, 0.5)
    refused(network, data(), batch_size=4)
    assert mn.train(network, data(), max_steps=1).steps == 1
    assert int(network[0].num_batches_tracked) == 1
