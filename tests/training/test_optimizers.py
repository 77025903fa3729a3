import copy

import pytest
import torch

import mnemoscope as mn
from mnemoscope.training.optimizers import (
    LBFGS_RESTART,
    OPTIMIZERS,
    RescaledLBFGS,
    make_optimizer,
    optimizer_kind,
    set_rate,
)


def quadratic(scale=1.0, d=12):
    """A badly conditioned quadratic of this size: parameters, closure."""
    z = torch.ones(d, requires_grad=True)
    weights = scale * torch.logspace(0, 3, d)

    def closure():
        z.grad = None
        loss = (weights * z.square()).sum()
        loss.backward()
        return loss.detach()

    return z, closure


def lbfgs(z):
    solver = make_optimizer("lbfgs", [z], lr=1.0, momentum=0.0, weight_decay=0.0)
    assert isinstance(solver, RescaledLBFGS)
    return solver


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "gauss_newton"])
def test_every_optimizer_goes_down_a_quadratic(name):
    z, closure = quadratic()
    first = closure()
    rate = 1e-4 if name == "gradient_descent" else optimizer_kind(name).lr
    assert rate is not None
    solver = make_optimizer(name, [z], lr=rate, momentum=0.9, weight_decay=0.0)
    for _ in range(20):
        solver.step(closure)
    assert closure() < 0.99 * first


def test_momentum_and_decay_reach_the_optimizer():
    z = torch.ones(2, requires_grad=True)
    sgd = make_optimizer("gradient_descent", [z], lr=0.1, momentum=0.7, weight_decay=0.3)
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.7, 0.3)
    adamw = make_optimizer("adam", [z], lr=0.1, momentum=0.0, weight_decay=0.3)
    # Decoupled: without a gradient the weights shrink by lr * decay, whatever the moments.
    z.grad = torch.zeros(2)
    adamw.step()
    assert z.tolist() == pytest.approx([0.97, 0.97])


def test_an_unknown_one_is_refused():
    with pytest.raises(mn.MnemoscopeError, match=r"optimizer='sgd'; expected one of adam, "):
        optimizer_kind("sgd")


def test_set_rate():
    z = torch.ones(2, requires_grad=True)
    solver = make_optimizer("adam", [z], lr=0.1, momentum=0.0, weight_decay=0.0)
    set_rate(solver, 0.02)
    assert [group["lr"] for group in solver.param_groups] == [0.02]


@pytest.mark.parametrize("scale", [1.0, 1e-12])
def test_lbfgs_goes_down_however_small_the_loss(scale):
    # With PyTorch's own the smaller one stalls: every y·s is below its threshold of 1e-10.
    z, closure = quadratic(scale)
    first = closure()
    solver = lbfgs(z)
    taken = sum(solver.advance(closure, 10) for _ in range(6))
    assert taken <= 60
    assert closure() < 1e-10 * first


def test_lbfgs_counts_its_iterations_and_restarts():
    z = torch.zeros(50, requires_grad=True)
    target = torch.randn(50, generator=torch.Generator().manual_seed(0))

    def closure():
        # Rosenbrock's valley, which keeps it busy for longer than a restart.
        z.grad = None
        x = z + 0.1 * target
        loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        loss.backward()
        return loss.detach()

    solver = lbfgs(z)
    divisors = []
    for i in range(1, 12):
        assert solver.advance(closure, 10) == 10
        # At most as many as since the restart: it begins anew after LBFGS_RESTART.
        assert solver.state[z]["n_iter"] == (10 * i - 1) % LBFGS_RESTART + 1
        divisors.append(solver.param_groups[0]["divisor"])
    # It is the loss at the first step and at the restart.
    assert divisors[0] == pytest.approx(float(closure_at_zero(target)))
    assert len(set(divisors[:10])) == 1
    assert divisors[10] < divisors[9]
    assert solver.advance(closure, 3) == 3


def closure_at_zero(target):
    x = 0.1 * target
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def test_lbfgs_at_a_minimum_ends_and_counts_a_step():
    z = torch.zeros(3, requires_grad=True)

    def closure():
        z.grad = None
        loss = z.square().sum() + 1
        loss.backward()
        return loss.detach()

    assert lbfgs(z).advance(closure, 10) == 1
    assert z.tolist() == [0, 0, 0]


def test_lbfgs_goes_on_from_its_state_dict():
    z, closure = quadratic()
    solver = lbfgs(z)
    solver.advance(closure, 4)
    state, at = copy.deepcopy(solver.state_dict()), z.detach().clone()
    solver.advance(closure, 4)
    later, later_closure = quadratic()
    later.data.copy_(at)
    resumed = lbfgs(later)
    resumed.load_state_dict(state)
    resumed.advance(later_closure, 4)
    assert torch.equal(later, z)
    assert not torch.equal(later, at)
