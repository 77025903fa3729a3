import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.training import linear_model
from mnemoscope.training.gauss_newton import GaussNewton

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

POLISHED = 1e-14
"""What float32 is to end below: the rounding of outputs of order 1, squared."""


def digits(n=5, dtype=torch.float32):
    return mn.load_data("digits", n=n).to(dtype)


def network(activation="tanh", width=64, depth=3, seed=0, dtype=torch.float32, **changes):
    spec = mn.nets.FullyConnected(
        shape=(1, 8, 8), width=width, depth=depth, activation=activation, **changes
    )
    return spec.build(seed=seed, dtype=dtype)


def linear_network(d, *, init, dtype=torch.float64):
    spec = mn.nets.FullyConnected(shape=(d,), depth=1, activation="identity", bias=False, init=init)
    return spec.build(seed=0, dtype=dtype)


def weights(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def loss_of(net, X, Y):
    with torch.no_grad():
        return (copy.deepcopy(net).eval()(X).double() - Y.double()).square().mean().item()


def losses(net, X, Y, steps, *, tol=0.0):
    """The loss after each step, until it ends."""
    method, found = GaussNewton(net), []
    while len(found) < steps and not method.stalled and (not found or found[-1] > tol):
        assert method.advance(X, Y, 1, tol=tol) == 1
        found.append(method.loss)
    return found


def undamped(net):
    """The method as it is when the damping has come to its floor."""
    method = GaussNewton(net)
    method.load_state_dict({"mu": 0.0})
    return method


@pytest.mark.parametrize("init", ["zeros", "default"])
def test_one_linear_layer_is_solved_in_one_step(init):
    # The solution nearest to where it began: by hand A + (I - A) P, P the projection on the span.
    X = torch.randn(3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = linear_network(8, init=init)
    A = net.body.linear_1.weight.detach().clone()
    method = undamped(net)
    assert method.advance(X, X, 10, tol=1e-20) == 1
    P = torch.linalg.pinv(X) @ X
    # The floor of the damping is 24 roundings, the kernel's condition number below 100.
    assert torch.allclose(net.body.linear_1.weight, A + (torch.eye(8) - A) @ P, atol=1e-11)


def test_one_linear_layer_from_zeros_ends_at_the_projection_on_the_span():
    X = torch.randn(3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = linear_network(8, init="zeros")
    GaussNewton(net).advance(X, X, 20, tol=1e-24)
    # The solution's error is that of the residual, 1e-12, over the least singular value, above 1.
    assert torch.allclose(net.body.linear_1.weight, torch.linalg.pinv(X) @ X, atol=1e-11)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus"])
def test_it_converges_quadratically(activation):
    X = digits(dtype=torch.float64)
    errors = [e**0.5 for e in losses(network(activation, dtype=torch.float64), X, X, 30, tol=1e-29)]
    near = [e for e in errors if 1e-14 < e < 1e-2]
    assert len(near) >= 3
    # e' <= C e^2 with a C that stays what it is while e falls over many orders of magnitude.
    assert all(after <= 10 * before**2 for before, after in itertools.pairwise(near))
    assert errors[-1] < 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "sigmoid", "gelu", "sin"])
def test_it_interpolates_from_the_first_weights(activation, dtype):
    X = digits(dtype=dtype)
    net = network(activation, dtype=dtype)
    method = GaussNewton(net)
    steps = method.advance(X, X, 60, tol=1e-12)
    assert steps < 60
    assert method.loss <= 1e-12
    assert not method.stalled
    # The same outputs; the batch is the same too, so not even their rounding differs.
    assert method.loss == pytest.approx(loss_of(net, X, X), rel=1e-9)


@pytest.mark.parametrize("activation", ["leaky_relu", "sigmoid", "tanh"])
def test_in_float32_it_ends_below_1e_14_a_few_steps_after_1e_4(activation):
    X, net = digits(10), network(activation, width=128, depth=4)
    mn.train(net, X, mn.TrainingOptions(tol=1e-4))
    method = GaussNewton(net)
    assert method.advance(X, X, 8, tol=POLISHED) < 8
    assert method.loss <= POLISHED
    assert loss_of(net, X, X) <= 1.001 * POLISHED


@pytest.mark.parametrize("activation", ["relu", "cosid", "elu"])
def test_the_loss_never_rises(activation):
    X, net = digits(8), network(activation, width=32, depth=5)
    message = [loss_of(net, X, X), *losses(net, X, X, 40)]
    assert all(after <= before for before, after in itertools.pairwise(message))


def test_a_sequence_is_fitted_too():
    X, net = digits(), network()
    Y = X.roll(-1, 0)
    GaussNewton(net).advance(X, Y, 30, tol=1e-12)
    assert loss_of(net, X, Y) <= 1e-12


def test_it_stalls_at_the_rounding_floor_and_leaves_the_weights_then():
    X, net = digits(2, torch.float64), network(width=16, depth=2, dtype=torch.float64)
    method = GaussNewton(net)
    assert method.advance(X, X, 200, tol=0.0) < 200
    assert method.stalled
    assert method.loss < 1e-28
    before = weights(net)
    assert method.advance(X, X, 5, tol=0.0) == 1
    assert method.stalled
    assert equal(weights(net), before)


def test_it_stalls_where_the_gradient_is_zero():
    # Every unit is dead: no weight matters but the last bias, which is best where it is.
    X, net = digits(2), network("relu", width=4, depth=2)
    with torch.no_grad():
        net.body.linear_1.bias.fill_(-100)
        net.body.linear_2.weight.zero_()
        net.body.linear_2.bias.copy_(X.mean(0).flatten())
    before = weights(net)
    method = GaussNewton(net)
    assert method.advance(X, X, 10, tol=0.0) == 1
    assert method.stalled
    assert equal(weights(net), before)
    assert method.loss == pytest.approx(loss_of(net, X, X), rel=1e-9)


def test_at_a_loss_of_zero_there_is_nothing_to_do():
    net = linear_network(4, init="zeros")
    X = torch.zeros(2, 4, dtype=torch.float64)
    method = GaussNewton(net)
    assert method.advance(X, X, 10, tol=1e-8) == 1
    assert (method.loss, method.stalled) == (0, True)


def test_targets_of_zero_are_reached():
    X, net = digits(2, torch.float64), network(dtype=torch.float64)
    method = GaussNewton(net)
    assert method.advance(X, torch.zeros_like(X), 30, tol=1e-24) < 30
    assert method.loss <= 1e-24


def test_contradicting_examples_end_at_their_mean():
    x = digits(1, torch.float64)
    net, X, Y = network(dtype=torch.float64), torch.cat([x, x]), torch.cat([x, 0 * x])
    method = GaussNewton(net)
    method.advance(X, Y, 60, tol=0.0)
    assert method.stalled
    # Halfway between both; a gradient below 1e-8 of the loss, squared, is lost to it.
    assert method.loss == pytest.approx(float((x / 2).square().mean()), rel=1e-7)


@pytest.mark.parametrize("form_kernel", [True, False], ids=["kernel", "products"])
def test_both_ways_to_a_step_interpolate(form_kernel, monkeypatch):
    monkeypatch.setattr(linear_model, "can_form_kernel", lambda net, X: form_kernel)
    X, net = digits(), network("leaky_relu")
    method = GaussNewton(net)
    assert method.advance(X, X, 30, tol=1e-12) < 30
    assert method.loss <= 1e-12


@pytest.mark.parametrize(
    "spec",
    [
        mn.nets.Convolutional(shape=(1, 8, 8), channels=6, depth=4, activation="tanh"),
        mn.nets.UNet(shape=(1, 8, 8), channels=4, levels=1, activation="silu"),
    ],
    ids=["convolutional", "unet"],
)
def test_convolutions_interpolate(spec):
    X, net = digits(2), spec.build(seed=0)
    method = GaussNewton(net)
    method.advance(X, X, 40, tol=1e-10)
    assert method.loss <= 1e-10


class Own(nn.Module):
    """A module with frozen weights, running statistics and dropout."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first = nn.Linear(6, 40).requires_grad_(False)
            self.norm = nn.BatchNorm1d(40)
            self.last = nn.Linear(40, 6)
        self.dropout = nn.Dropout(0.5)

    def forward(self, z):
        return self.last(self.dropout(torch.tanh(self.norm(self.first(z)))))


def test_of_a_module_only_what_is_to_be_trained_changes():
    net = Own().train()
    net.last.eval()
    X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    before = weights(net)
    method = GaussNewton(net)
    method.advance(X, X, 30, tol=1e-12)
    assert loss_of(net, X, X) <= 1e-12
    same = {name for name, value in weights(net).items() if torch.equal(value, before[name])}
    changed = {"norm.weight", "norm.bias", "last.weight", "last.bias"}
    assert same == before.keys() - changed
    assert (net.training, net.norm.training, net.last.training) == (True, True, False)
    assert all(p.grad is None for p in net.parameters())


def test_it_goes_on_from_its_state():
    X, net = digits(), network("relu")
    method = GaussNewton(net)
    method.advance(X, X, 3, tol=0.0)
    later, state = copy.deepcopy(net), method.state_dict()
    method.advance(X, X, 3, tol=0.0)
    resumed = GaussNewton(later)
    resumed.load_state_dict(state)
    for _ in range(3):
        resumed.advance(X, X, 1, tol=0.0)
    assert equal(weights(later), weights(net))
    assert (resumed.loss, resumed.state_dict()) == (method.loss, method.state_dict())


def test_before_the_first_step():
    method = GaussNewton(network())
    assert math.isnan(method.loss)
    assert not method.stalled


def test_a_network_with_nothing_to_train_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="without parameters to train"):
        GaussNewton(network().requires_grad_(False))


def test_a_step_that_was_not_found_to_the_end_is_no_reason_to_stop(monkeypatch):
    exact, damped = linear_model.PreconditionedModel._solve, []

    def too_hard(self, residual, damping, share):
        damped.append(damping / self.scale)
        solved = exact(self, residual, damping, share)
        if damping > 100 * self.scale:
            return solved
        # What products that ran out may leave: a step that raises the loss, even in the model.
        return replace(solved, x=-solved.x, rest=2 * residual, converged=False)

    monkeypatch.setattr(linear_model, "can_form_kernel", lambda net, X: False)
    monkeypatch.setattr(linear_model.PreconditionedModel, "_solve", too_hard)
    net, X = network(), digits()
    method, before = GaussNewton(net), loss_of(net, X, X)
    method.advance(X, X, 1, tol=0.0)
    assert not method.stalled
    assert method.loss < before
    assert damped[0] < 100 < damped[-1]
