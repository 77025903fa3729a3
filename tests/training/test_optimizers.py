import pytest
import torch

import mnemoscope as mn
from mnemoscope.training.optimizers import OPTIMIZERS, make_optimizer, optimizer_kind, set_rate


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
