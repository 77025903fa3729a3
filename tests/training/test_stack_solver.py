"""The gradient written out, compared with autograd's."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.training import TrainingOptions
from mnemoscope.training.networks import is_plain
from mnemoscope.training.options import FIRST_ORDER
from mnemoscope.training.solvers import AutogradSolver, StackSolver, make_solver
from tests.known_maps import DTYPES


def network(dtype=torch.float32, **fields):
    return mn.nets.FullyConnected(**{"shape": (6,), "width": 9, "depth": 3, **fields}).build(
        seed=2, dtype=dtype
    )


def examples(dtype=torch.float32, n=5):
    return torch.rand(n, 6, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "sin"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", FIRST_ORDER)
def test_steps_are_those_of_autograd_and_pytorchs_optimizer(name, weight_decay, activation, dtype):
    X = examples(dtype)
    fast, plain = network(dtype, activation=activation), network(dtype, activation=activation)
    options = TrainingOptions(optimizer=name, lr=0.01, weight_decay=weight_decay)
    one, other = StackSolver(fast, options), AutogradSolver(plain, options)
    for turn in range(20):
        # Of two sizes, and with a rate that changes.
        x = X if turn % 3 else X[:2]
        one.step(x, x, 0.01 / (1 + turn // 5))
        other.step(x, x, 0.01 / (1 + turn // 5))
        eps = torch.finfo(dtype).eps
        # A rounding apart at first, and each step adds some; losses are of order 0.1.
        assert float(one.loss()) == pytest.approx(float(other.loss()), rel=1000 * eps)
    one.close()
    other.close()
    for a, b in zip(fast.parameters(), plain.parameters(), strict=True):
        # RMSprop and Adam divide by the root of a mean square, and so enlarge what is rounded.
        assert torch.allclose(a, b, rtol=0, atol=1e5 * eps)


def test_the_network_is_trained_while_the_solver_lives_and_owns_its_memory_after():
    net, X = network(), examples()
    before = [p.detach().clone() for p in net.parameters()]
    solver = StackSolver(net, TrainingOptions())
    solver.step(X, X, 0.01)
    after = [p.detach().clone() for p in net.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    solver.close()
    assert all(torch.equal(a, b) for a, b in zip(after, net.parameters(), strict=True))
    assert all(p.untyped_storage().nbytes() == p.nbytes for p in net.parameters())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def hooked(net):
    net.body.linear_1.register_forward_hook(lambda *_: None)


def frozen(net):
    net.body.linear_1.bias.requires_grad_(False)


def replaced(net):
    net.body.activation_1 = nn.ReLU()


def reslope(net):
    net.body.activation_1.negative_slope = 0.5


def parametrized(net):
    nn.utils.parametrizations.weight_norm(net.body.linear_2)


def mixed(net):
    net.body.linear_1.double()


def extended(net):
    net.body.add_module("more", nn.Linear(6, 6))


@pytest.mark.parametrize(
    "change", [hooked, frozen, replaced, reslope, parametrized, mixed, extended]
)
def test_a_network_that_was_changed_is_left_to_autograd(change):
    net = network()
    assert is_plain(net)
    change(net)
    assert not is_plain(net)


def test_which_solver_for_which_network():
    adam, rmsprop = TrainingOptions(), TrainingOptions(optimizer="rmsprop")
    assert isinstance(make_solver(network(), adam, tol=1e-8), StackSolver)
    conv = mn.nets.Convolutional(shape=(1, 4, 4), channels=2, depth=2).build(seed=0)
    assert isinstance(make_solver(conv, adam, tol=1e-8), AutogradSolver)
    assert isinstance(make_solver(nn.Linear(3, 3), rmsprop, tol=1e-8), AutogradSolver)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_whole_training_comes_to_the_same(batch_size):
    X = examples()
    fast, plain = network(), network()
    hooked(plain)
    options = mn.TrainingOptions(batch_size=batch_size, tol=1e-5)
    one, other = (mn.train(net, X, options) for net in (fast, plain))
    assert one.converged
    assert other.converged
    assert one.steps == pytest.approx(other.steps, rel=0.02)
    # Over the first steps nothing but rounding has come between them.
    first = [fit.history["loss"][:10].to_list() for fit in (one, other)]
    assert first[0] == pytest.approx(first[1], rel=1e-4)
