"""The claim of the nonlinear span: what it measures, by hand, and its evidence."""

import pytest
import torch

from mnemoscope.claims.nonlinear_span import STEEPEST, examples, span_distance
from mnemoscope.nets.activations import activation_function
from mnemoscope.theory import nonlinear_solution


@pytest.mark.parametrize("data", ["digits", "photos"])
def test_examples_are_within_every_range(data):
    X = examples(data, 3)
    assert X.dtype == torch.float64
    assert len(X) == 3
    assert float(X.min()) >= 0.1 - 1e-7
    assert float(X.max()) <= 0.9 + 1e-7


@pytest.mark.parametrize("activation", STEEPEST)
def test_the_steepest_slope_of_each(activation):
    z = torch.linspace(-20, 20, 4001, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(activation_function(activation)(z).sum(), z)
    assert float(slope.max()) == pytest.approx(STEEPEST[activation], abs=1e-6)


def test_the_distance_to_the_nonlinear_span():
    generator = torch.Generator().manual_seed(0)
    X = 0.1 + 0.8 * torch.rand(2, 6, generator=generator, dtype=torch.float64)
    Z = torch.rand(50, 6, generator=generator, dtype=torch.float64)
    A = nonlinear_solution(X, "sigmoid")
    assert span_distance(A, "sigmoid", Z, X) < 1e-12
    assert span_distance(A + 0.3 * torch.eye(6), "sigmoid", Z, X) > 0.1


def test_a_quick_run_holds(quick):
    result = quick("nonlinear-span")
    assert [check.verdict for check in result.checks] == ["holds"] * 8
    # Each activation from random first weights and from zero.
    assert result.runs.height == 10
    zero = result.runs.filter(result.runs["init"] == "zeros")
    assert zero["span_distance"].null_count() == 0
