"""One linear layer: its end and its path, against gradient descent step by step."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory import gradient_path, span_projection


def drawn(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def descended(X, A, lr, steps):
    """Gradient descent with autograd's gradient."""
    A = A.clone().requires_grad_()
    for _ in range(steps):
        loss = ((X @ A.T - X) ** 2).mean()
        (gradient,) = torch.autograd.grad(loss, A)
        A = (A - lr * gradient).detach().requires_grad_()
    return A.detach()


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("random", [False, True])
def test_the_path_is_that_of_gradient_descent(n, random):
    X = drawn(n, 6)
    A0 = drawn(6, 6, seed=1) if random else None
    first = torch.zeros(6, 6, dtype=torch.float64) if A0 is None else A0
    lr = 0.5 * X.numel() / float(torch.linalg.svdvals(X)[0]) ** 2
    for steps, A in zip([0, 1, 7], gradient_path(X, A0, lr, [0, 1, 7]), strict=True):
        assert torch.allclose(A, descended(X, first, lr, steps), atol=1e-12)


def test_the_path_ends_at_the_projection():
    X, A0 = drawn(3, 8), drawn(8, 8, seed=1)
    lr = 0.9 * X.numel() / float(torch.linalg.svdvals(X)[0]) ** 2
    assert torch.allclose(gradient_path(X, A0, lr, 10_000), span_projection(X, A0), atol=1e-10)


def test_the_end_reproduces_the_examples_and_leaves_the_complement_alone():
    X, A0 = drawn(3, 8), drawn(8, 8, seed=1)
    A = span_projection(X, A0)
    assert torch.allclose(X @ A.T, X, atol=1e-12)
    away = drawn(8, seed=2)
    away = away - torch.linalg.lstsq(X.T, away[:, None]).solution[:, 0] @ X
    assert torch.allclose(A @ away, A0 @ away, atol=1e-12)


def test_dependent_examples_count_once():
    X = drawn(2, 5)
    twice = torch.cat([X, X.sum(0, keepdim=True), 0 * X[:1]])
    assert torch.allclose(span_projection(twice), span_projection(X), atol=1e-12)
    assert round(float(span_projection(twice).trace())) == 2


@pytest.mark.parametrize(
    ("X", "A0", "field"),
    [
        (torch.zeros(2, 2, 2), None, "X"),
        (torch.zeros(0, 2), None, "X"),
        ([[1.0]], None, "X"),
        (torch.tensor([[torch.nan, 1.0]]), None, "X"),
        (torch.ones(1, 2), torch.zeros(3, 3), "A0"),
    ],
)
def test_what_does_not_fit_is_refused(X, A0, field):
    for call in (span_projection, lambda X, A0: gradient_path(X, A0, lr=0.1, steps=1)):
        with pytest.raises(mn.MnemoscopeError) as refusal:
            call(X, A0)
        assert refusal.value.field == field


def test_steps_before_the_start_are_refused():
    with pytest.raises(mn.MnemoscopeError) as refusal:
        gradient_path(torch.ones(1, 2), None, lr=0.1, steps=-1)
    assert refusal.value.field == "steps"
