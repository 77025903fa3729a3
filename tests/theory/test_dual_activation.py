"""Expectations over two Gaussians, against quadrature in two dimensions."""

import math

import numpy as np
import pytest
import torch

import mnemoscope as mn
from mnemoscope.nets.activations import activation_function
from mnemoscope.theory import dual_activation, second_moment

NAMES = [*mn.nets.ACTIVATIONS, "leaky_relu(0.7)"]
CASES = [(1.0, 1.0, 0.5), (0.3, 2.0, -0.4), (4.0, 1.0, 1.5)]


def by_sums(activation, p, q, c):
    """Both expectations by a fine sum over the plane; kinks lie on its lines."""
    phi = activation_function(activation)
    x = torch.linspace(-9, 9, 1801, dtype=torch.float64)
    weight = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    u = math.sqrt(p) * x
    v = c / math.sqrt(p) * x[:, None] + math.sqrt(q - c**2 / p) * x
    u.requires_grad_()
    v.requires_grad_()
    a, b = phi(u), phi(v)
    (da,), (db,) = torch.autograd.grad(a.sum(), u), torch.autograd.grad(b.sum(), v)
    value = torch.einsum("i,j,i,ij->", weight, weight, a.detach(), b.detach())
    return float(value), float(torch.einsum("i,j,i,ij->", weight, weight, da, db))


def tensors(p, q, c):
    return [torch.tensor([[value]], dtype=torch.float64) for value in (p, q, c)]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("activation", NAMES)
def test_both_expectations_are_those_of_a_sum_over_the_plane(activation, case):
    value, slope = dual_activation(activation)(*tensors(*case))
    expected = by_sums(activation, *case)
    # The sum has steps of 0.01: a kink costs it about that squared, a jump of phi' as much itself.
    assert float(value) == pytest.approx(expected[0], abs=1e-4)
    assert float(slope) == pytest.approx(expected[1], abs=5e-3)


@pytest.mark.parametrize("activation", NAMES)
def test_where_both_are_one_it_is_the_second_moment(activation):
    p = torch.tensor([[0.5], [2.0], [6.0]], dtype=torch.float64)
    value, _ = dual_activation(activation)(p[:1], p[:1], p[:1])
    assert float(value) == pytest.approx(float(second_moment(activation, p)[0]), rel=1e-7)
    # Closed forms are both; so against a sum, whose steps a kink costs about their square.
    x = torch.linspace(-9, 9, 18001, dtype=torch.float64)
    weight = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    expected = activation_function(activation)(p.sqrt() * x).square() @ weight
    torch.testing.assert_close(second_moment(activation, p)[:, 0], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", 5e3),
        ("leaky_relu(0.5)", 1.25 * 5e3),
        ("sin", 0.5),
        ("cosid", 0.5 + 1e4),
        ("erf", 2 / math.pi * math.asin(2e4 / (1 + 2e4))),
    ],
)
def test_a_closed_form_holds_for_the_largest_variances(activation, expected):
    p = torch.tensor([1e4], dtype=torch.float64)
    assert float(second_moment(activation, p)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("activation", NAMES)
def test_the_derivative_in_the_covariance_is_the_other_expectation(activation):
    # d/dc E[phi(u) phi(v)] = E[phi'(u) phi'(v)] (Price 1958).
    p, q, c = tensors(1.3, 0.8, 0.6)
    c.requires_grad_()
    value, slope = dual_activation(activation)(p, q, c)
    (derivative,) = torch.autograd.grad(value.sum(), c)
    assert float(derivative) == pytest.approx(float(slope.detach()), rel=1e-6)


def test_the_curvature_of_elu_where_both_are_one_by_hand():
    # E[phi''(u)^2] = E[exp(2 u) over u < 0] = exp(2) Phi(-2).
    p, c = torch.ones(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    c.requires_grad_()
    _, slope = dual_activation("elu")(p, p, c)
    (derivative,) = torch.autograd.grad(slope.sum(), c)
    expected = math.exp(2) * math.erfc(math.sqrt(2)) / 2
    # Once the jump of phi'' is taken out, one of phi''' is left: what is lost falls like k^(-1/2).
    assert float(derivative) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("activation", NAMES)
def test_a_gaussian_without_variance_is_a_constant(activation):
    phi = activation_function(activation)
    value, _ = dual_activation(activation)(*tensors(0.0, 2.0, 0.0))
    u = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    weight = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi) * (u[1] - u[0])
    at_zero = float(phi(torch.zeros((), dtype=torch.float64)))
    # A variance of 1e-12 is used instead: a kink has an effect at 1e-6.
    assert float(value) == pytest.approx(at_zero * float(weight @ phi(2**0.5 * u)), abs=1e-6)


@pytest.mark.parametrize("activation", ["relu", "elu", "selu", "leaky_relu", "tanh"])
def test_it_can_be_differentiated_where_both_are_one(activation):
    one = torch.ones(1, 1, dtype=torch.float64)
    c = one.clone().requires_grad_()
    value, slope = dual_activation(activation)(one, one, c)
    for what in (value, slope):
        (derivative,) = torch.autograd.grad(what.sum(), c, retain_graph=True)
        assert bool(torch.isfinite(derivative).all())


def test_arc_cosine_kernel_by_hand():
    # Orthogonal units of variance 1: 1 / (2 pi), and a quarter.
    one, zero = tensors(1.0, 1.0, 0.0)[0], torch.zeros(1, 1, dtype=torch.float64)
    value, slope = dual_activation("relu")(one, one, zero)
    assert float(value) == pytest.approx(1 / (2 * np.pi), abs=1e-15)
    assert float(slope) == pytest.approx(0.25, abs=1e-15)


def test_a_variance_too_large_for_the_series_is_refused():
    p = torch.full((1, 1), 1e4, dtype=torch.float64)
    with pytest.raises(mn.MnemoscopeError, match="scale the examples"):
        dual_activation("sigmoid")(p, p, p)
