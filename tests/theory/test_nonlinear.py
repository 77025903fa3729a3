"""One layer with an activation: its closed form, against training and by hand."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.nets.activations import activation_function
from mnemoscope.theory import INVERTIBLE, inverse_activation, nonlinear_solution


def examples(n=4, d=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 + 0.8 * torch.rand(n, d, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("activation", [*INVERTIBLE, "leaky_relu(0.7)"])
def test_the_inverse_undoes_the_activation(activation):
    z = torch.linspace(-3, 3, 61, dtype=torch.float64)
    back = inverse_activation(activation, activation_function(activation)(z))
    assert torch.allclose(back, z, atol=1e-9)


@pytest.mark.parametrize("activation", INVERTIBLE)
def test_the_solution_interpolates_and_keeps_the_first_weights_on_the_complement(activation):
    X = examples()
    A0 = torch.randn(9, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    A = nonlinear_solution(X, activation, A0)
    assert torch.allclose(activation_function(activation)(X @ A.T), X, atol=1e-9)
    Q = torch.linalg.svd(X)[2][4:]
    assert torch.allclose(A @ Q.T, A0 @ Q.T, atol=1e-9)
    from_zero = nonlinear_solution(X, activation)
    assert int(torch.linalg.matrix_rank(from_zero)) == 4


@pytest.mark.parametrize("activation", ["sigmoid", "leaky_relu", "softplus"])
def test_training_ends_there(activation):
    X = examples(n=3)
    spec = mn.nets.FullyConnected(shape=(9,), depth=1, activation=activation, bias=False)
    net = spec.build(seed=0, dtype=torch.float64)
    A0 = next(net.parameters()).detach().clone()
    fit = mn.train(
        net, X, tol=1e-22, optimizer="gradient_descent", momentum=0.9, lr=1.0, schedule="constant"
    )
    assert fit.converged
    A, theory = next(net.parameters()).detach(), nonlinear_solution(X, activation, A0)
    # A loss of 1e-22 leaves outputs off by 1e-11; the smallest singular value of X is above 0.1.
    assert float((A - theory).norm() / theory.norm()) < 1e-8


@pytest.mark.parametrize("activation", ["relu", "sin", "silu", "gelu", "cosid", "erf"])
def test_what_is_not_one_to_one_or_has_no_closed_inverse_is_refused(activation):
    with pytest.raises(mn.MnemoscopeError, match="one of"):
        nonlinear_solution(examples(), activation)


def test_values_out_of_range_and_dependent_examples_are_refused():
    X = examples(n=1)
    for wrong, activation, field in (
        (2 * torch.ones(1, 3), "sigmoid", "values"),
        (-2 * torch.ones(1, 3), "elu", "values"),
        (torch.cat([X, 2 * X]), "tanh", "X"),
    ):
        with pytest.raises(mn.MnemoscopeError) as refusal:
            nonlinear_solution(wrong, activation)
        assert refusal.value.field == field
