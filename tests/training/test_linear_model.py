import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.training import linear_model as module
from mnemoscope.training.last_layer import find_last_layer
from mnemoscope.training.linear_model import (
    KernelModel,
    PreconditionedModel,
    ProductModel,
    linear_model,
)
from mnemoscope.training.parameter_linearization import RecordedLinearization

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def preconditioned(net, X):
    """The model with the last layer's preconditioner, that without where it is frozen."""
    last = find_last_layer(net, X)
    return ProductModel(net, X) if last is None else PreconditionedModel(net, X, last)


MODELS = pytest.mark.parametrize("model", [KernelModel, ProductModel, preconditioned])


@pytest.fixture
def exact(monkeypatch):
    """Lets conjugate gradients go on to 1e-13 of their gradient."""
    monkeypatch.setattr(module, "LOOSEST", 1e-13)


def problem(n=4, width=9, d=5):
    """A network, examples, its Jacobian and a residual."""
    generator = torch.Generator().manual_seed(0)
    spec = mn.nets.FullyConnected(shape=(d,), width=width, depth=3, activation="tanh")
    net = spec.build(seed=0, dtype=torch.float64).eval()
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    r = torch.randn(n * d, generator=generator, dtype=torch.float64)
    return net, X, RecordedLinearization(net, X).rows(), r


@MODELS
@pytest.mark.parametrize("damping", [1e-3, 1.0, 100.0])
def test_the_step_solves_the_normal_equations(model, damping, exact):
    net, X, J, r = problem()
    step = model(net, X).step(r, damping, share=1.0)
    A = J.mT @ J + damping * torch.eye(J.shape[1], dtype=J.dtype)
    expected = torch.linalg.solve(A, -J.mT @ r)
    # A's condition number is at most 1e6: 1e-13 of the gradient is 1e-7 of the step.
    assert (step.change - expected).norm() <= 1e-7 * expected.norm()
    left = (r + J @ step.change).square().sum() / r.square().sum()
    assert step.predicted == pytest.approx(1 - float(left), abs=1e-9)


@MODELS
def test_less_damping_promises_more_until_there_is_no_more(model, exact):
    net, X, _, r = problem()
    steps = [model(net, X).step(r, damping, share=1.0) for damping in (100.0, 1.0, 1e-2, 1e-6)]
    predicted = [step.predicted for step in steps]
    assert predicted == sorted(predicted)
    assert [step.short for step in steps] == [p < module.ENOUGH for p in predicted]
    assert steps[0].short
    assert not steps[-1].short


@MODELS
def test_a_zero_residual_or_a_zero_jacobian_asks_for_no_step(model):
    net, X, _, r = problem()
    step = model(net, X).step(torch.zeros_like(r), 1.0, share=0.0)
    assert (float(step.change.abs().max()), step.predicted, step.short) == (0, 0, False)
    net.body.linear_3.weight.requires_grad_(False).zero_()
    net.body.linear_3.bias.requires_grad_(False)
    blind = model(net, X)
    step = blind.step(r, blind.floor, share=1.0)
    assert (float(step.change.abs().max()), step.predicted, step.short) == (0, 0, False)


@MODELS
def test_more_outputs_than_parameters_and_examples_given_twice(model, exact):
    # The kernel is singular; what is orthogonal to its range is left.
    net, X, J, r = problem(n=30, width=2, d=2)
    X, J, r = torch.cat([X, X]), torch.cat([J, J]), torch.cat([r, -r])
    least = model(net, X)
    step = least.step(r, 1e-6 * least.scale, share=1.0)
    assert torch.isfinite(step.change).all()
    # Nothing pulls both copies apart.
    assert abs(step.predicted) <= 1e-9
    least.step(r, least.floor, share=1.0)


def test_the_scale_is_the_mean_diagonal_and_its_estimate_is_near():
    net, X, J, _ = problem(n=40)
    mean = float(J.square().sum() / len(J))
    assert KernelModel(net, X).scale == pytest.approx(mean, rel=1e-12)
    # One product: its standard deviation is sqrt(2) |J J^T| / tr(J J^T), here a third.
    assert ProductModel(net, X).scale == pytest.approx(mean, rel=1.0)


def test_conjugate_gradients_are_as_exact_as_the_share_asks():
    net, X, J, r = problem(n=8)
    model = ProductModel(net, X)
    for share in (1.0, 1e-4, 1e-8):
        step = model.step(r, 1e-3, share=share)
        gradient = J.mT @ (r + J @ step.change) + 1e-3 * step.change
        allowed = min(module.LOOSEST, max(module.FINEST, share**0.5)) * (J.mT @ r).norm()
        assert allowed / 100 < gradient.norm() <= allowed


def test_products_run_out(exact, monkeypatch):
    monkeypatch.setattr(module, "MAX_PRODUCTS", 2)
    net, X, _, r = problem()
    step = ProductModel(net, X).step(r, 1e-6, share=1.0)
    # It is not the damping that keeps it short.
    assert 0 < step.predicted < module.ENOUGH
    assert not step.short


def test_the_kernel_is_formed_where_it_may_be(monkeypatch):
    net, X, *_ = problem()
    assert type(linear_model(net, X)) is KernelModel
    monkeypatch.setattr(module, "can_form_kernel", lambda net, X: False)
    assert type(linear_model(net, X)) is PreconditionedModel
    net.body.linear_3.weight.requires_grad_(False)
    assert type(linear_model(net, X)) is ProductModel


class Root(nn.Module):
    """Its derivative at 0 is infinite."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, z):
        return z * self.weight.sqrt()


@MODELS
def test_a_derivative_that_is_not_finite_is_refused(model, monkeypatch):
    monkeypatch.setattr(module, "can_form_kernel", lambda net, X: model is KernelModel)
    with pytest.raises(mn.MnemoscopeError, match=r"Root whose derivative .* not finite"):
        linear_model(Root(), torch.ones(2, 3))


@pytest.mark.parametrize(
    "spec",
    [
        mn.nets.FullyConnected(shape=(1, 4, 4), width=32, depth=6, activation="tanh"),
        mn.nets.FullyConnected(shape=(1, 4, 4), width=32, depth=6, init="ntk"),
        mn.nets.Convolutional(shape=(1, 4, 4), channels=4, depth=4),
        mn.nets.UNet(shape=(1, 4, 4), channels=4, levels=1),
    ],
    ids=["tanh", "NTK", "convolutional", "U-Net"],
)
def test_the_preconditioner_changes_no_step_and_saves_products(spec, monkeypatch):
    net = spec.build(seed=0, dtype=torch.float64).eval()
    generator = torch.Generator().manual_seed(0)
    X = torch.rand(6, 1, 4, 4, generator=generator, dtype=torch.float64)
    r = torch.randn(X.numel(), generator=generator, dtype=torch.float64)
    monkeypatch.setattr(module, "LOOSEST", 1e-10)
    plain, better = ProductModel(net, X), preconditioned(net, X)
    damping = 1e-4 * plain.scale
    asked = []
    for model in (plain, better):
        push = model.linear.push
        monkeypatch.setattr(model.linear, "push", lambda v, push=push: asked.append(1) or push(v))
    expected = plain.step(r, damping, share=1.0)
    count = len(asked)
    step = better.step(r, damping, share=1.0)
    # The kernel's condition is at most 1e4 there: 1e-10 of a gradient is 1e-6 of a step.
    assert (step.change - expected.change).norm() <= 1e-5 * expected.change.norm()
    assert len(asked) - count < count
