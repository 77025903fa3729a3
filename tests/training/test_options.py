"""Training options: what they accept, and what they are for a number of examples."""

import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.training import OPTIMIZERS
from mnemoscope.training.options import FIRST_ORDER
from mnemoscope.training.solvers import first_order_optimizer


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tol": 0.0}, "tol"),
        ({"tol": -1e-8}, "tol"),
        ({"tol": math.nan}, "tol"),
        ({"tol": math.inf}, "tol"),
        ({"tol": "1e-8"}, "tol"),
        ({"lr": 0.0}, "lr"),
        ({"lr": -1.0}, "lr"),
        ({"lr": math.nan}, "lr"),
        ({"lr": math.inf}, "lr"),
        ({"lr": "fast"}, "lr"),
        ({"lr": 0.1, "optimizer": "gauss_newton"}, "lr"),
        ({"schedule": "linear"}, "schedule"),
        ({"schedule": "cosine", "optimizer": "gauss_newton"}, "schedule"),
        ({"optimizer": "adagrad"}, "optimizer"),
        ({"optimizer": None}, "optimizer"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"max_steps": 0}, "max_steps"),
        ({"max_steps": 1.5}, "max_steps"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"weight_decay": 0.1, "optimizer": "lbfgs"}, "weight_decay"),
        ({"init_scale": 0.0}, "init_scale"),
        ({"init_scale": math.nan}, "init_scale"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"unit": 0.0}, "unit"),
        ({"dtype": "int8"}, "dtype"),
        ({"finish": "polish"}, "finish"),
        ({"stop": "never"}, "stop"),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(options, field):
    with pytest.raises(mn.MnemoscopeError) as error:
        mn.TrainingOptions(**options)
    assert error.value.field == field
    assert "\n" not in str(error.value)


def test_the_choices_are_those_of_the_error():
    with pytest.raises(mn.MnemoscopeError) as error:
        mn.TrainingOptions(optimizer="adma")
    assert set(error.value.choices) == {*OPTIMIZERS, "sgd"}
    assert "did you mean `adam`?" in error.value.todo


def test_sgd_is_gradient_descent():
    options = mn.TrainingOptions(optimizer="sgd")
    assert options == mn.TrainingOptions(optimizer="gradient_descent")


def test_numbers_become_those_of_the_fields():
    assert mn.TrainingOptions(lr=1, momentum=0) == mn.TrainingOptions(lr=1.0, momentum=0.0)
    assert isinstance(mn.TrainingOptions(lr=1).lr, float)


def test_a_record_s_values_are_options_again():
    options = mn.TrainingOptions(optimizer="rmsprop", batch_size=2).resolved(5, unit=2.0)
    assert (options.lr, options.batch_size, options.unit) == (3e-4, 2, 2.0)
    assert mn.TrainingOptions.of(vars(options)) == options
    with pytest.raises(mn.MnemoscopeError, match="did you mean `optimizer`") as error:
        mn.TrainingOptions.of({"optimiser": "adam"})
    assert error.value.field == "optimiser"


def test_init_scale_multiplies_the_first_weights():
    net = mn.nets.FullyConnected(shape=(4,), width=8, depth=2).build(seed=0)
    before = [p.detach().clone() for p in net.parameters()]
    X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    options = mn.TrainingOptions(init_scale=0.5, lr=1e-12, max_steps=1)
    mn.train(net, X, options)
    for one, other in zip(before, net.parameters(), strict=True):
        assert torch.allclose(other, 0.5 * one)


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_every_optimizer_goes_down_a_badly_conditioned_quadratic(name):
    z = torch.ones(12, requires_grad=True)
    weights = torch.logspace(0, 3, 12)

    def closure():
        z.grad = None
        loss = (weights * z.square()).sum()
        loss.backward()
        return loss.detach()

    first = closure()
    lr = 1e-4 if name == "gradient_descent" else None
    optimizer = first_order_optimizer([z], mn.TrainingOptions(optimizer=name, lr=lr))
    for _ in range(20):
        optimizer.step(closure)
    assert closure() < 0.99 * first


def test_momentum_and_decay_reach_the_optimizer():
    z = torch.ones(2, requires_grad=True)
    options = mn.TrainingOptions(optimizer="sgd", lr=0.1, momentum=0.7, weight_decay=0.3)
    sgd = first_order_optimizer([z], options)
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.7, 0.3)
    adamw = first_order_optimizer([z], mn.TrainingOptions(lr=0.1, weight_decay=0.3))
    # Decoupled: without a gradient the weights shrink by lr * decay, whatever the moments.
    z.grad = torch.zeros(2)
    adamw.step()
    assert z.tolist() == pytest.approx([0.97, 0.97])
