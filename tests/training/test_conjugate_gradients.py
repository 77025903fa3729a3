import pytest
import torch

from mnemoscope.training.conjugate_gradients import (
    damped_least_squares,
    preconditioned_least_squares,
)

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def problem(n, p, seed=0):
    generator = torch.Generator().manual_seed(seed)
    J = torch.randn(n, p, generator=generator, dtype=torch.float64)
    return J, torch.randn(n, generator=generator, dtype=torch.float64)


def solve(J, b, damping, *, tol=1e-13, max_products=200):
    return damped_least_squares(
        lambda v: J @ v, lambda u: J.mT @ u, b, damping, tol=tol, max_products=max_products
    )


def objective(J, b, x, damping):
    return float((J @ x - b).square().sum() + damping * x.square().sum())


@pytest.mark.parametrize("damping", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize(("n", "p"), [(6, 20), (20, 6)], ids=["wide", "tall"])
def test_it_is_the_solution_of_the_normal_equations(n, p, damping):
    J, b = problem(n, p)
    found = solve(J, b, damping)
    A = torch.cat([J, damping**0.5 * torch.eye(p, dtype=J.dtype)])
    # The least-squares solution, of least norm where there are several.
    x = torch.linalg.pinv(A) @ torch.cat([b, b.new_zeros(p)])
    assert found.converged
    # Condition numbers are below 100: 1e-13 of the gradient is far below 1e-10 of x.
    assert torch.allclose(found.x, x, rtol=1e-10, atol=1e-10)
    assert torch.allclose(found.rest, b - J @ x, rtol=1e-10, atol=1e-10)


def test_as_many_steps_as_distinct_eigenvalues():
    J = torch.diag(torch.tensor([1.0, 2.0, 2.0, 5.0, 5.0, 5.0], dtype=torch.float64))
    b = torch.arange(1.0, 7.0, dtype=torch.float64)
    assert solve(J, b, 0.5, max_products=3).converged
    assert not solve(J, b, 0.5, max_products=2).converged


def test_stopped_early_it_is_a_descent_still():
    J, b = problem(30, 60)
    J = J * torch.logspace(0, 3, 30, dtype=J.dtype)[:, None]
    values = [objective(J, b, solve(J, b, 1e-3, tol=0, max_products=k).x, 1e-3) for k in range(20)]
    assert values == sorted(values, reverse=True)
    assert values[0] == float(b.square().sum())


def test_it_stops_at_the_tolerance():
    J, b = problem(30, 60)
    products = []
    found = damped_least_squares(
        lambda v: products.append(1) or J @ v, lambda u: J.mT @ u, b, 0.1, tol=0.1, max_products=99
    )
    gradient = J.mT @ found.rest - 0.1 * found.x
    assert found.converged
    assert gradient.norm() <= 0.1 * (J.mT @ b).norm()
    assert len(products) < 20


@pytest.mark.parametrize("b", [torch.zeros(3), torch.tensor([0.0, 0.0, 1.0])], ids=["zero", "off"])
def test_nothing_to_gain(b):
    # Zero, or orthogonal to all that J can reach.
    J, b = torch.diag(torch.tensor([1.0, 2.0, 0.0])).double(), b.double()
    found = solve(J, b, 0.1)
    assert found.converged
    assert not found.x.any()
    assert torch.equal(found.rest, b)


class Products:
    """A matrix as a linearization, with the number of products asked for."""

    def __init__(self, J):
        self.J, self.weights, self.asked = J, J.new_zeros(J.shape[1]), 0

    def push(self, v):
        self.asked += 1
        return self.J @ v

    def pull(self, u):
        return self.J.mT @ u


def preconditioned(J, M, b, damping, *, tol=1e-13, max_products=200):
    products = Products(J)
    factor = torch.linalg.cholesky(M)
    found = preconditioned_least_squares(
        products,
        lambda r: torch.cholesky_solve(r[:, None], factor)[:, 0],
        b, damping, tol=tol, max_products=max_products,
    )  # fmt: skip
    return found, products.asked


@pytest.mark.parametrize("damping", [1e-3, 10.0])
@pytest.mark.parametrize(("n", "p"), [(6, 20), (20, 6)], ids=["wide", "tall"])
def test_with_any_preconditioner_it_is_the_same_solution(n, p, damping):
    J, b = problem(n, p)
    G, _ = problem(n, n, seed=1)
    found, _ = preconditioned(J, G @ G.mT + torch.eye(n, dtype=J.dtype), b, damping, tol=1e-12)
    x = J.mT @ torch.linalg.solve(J @ J.mT + damping * torch.eye(n, dtype=J.dtype), b)
    assert found.converged
    # Condition numbers are below 1e5: 1e-12 of the residual is below 1e-6 of x.
    assert torch.allclose(found.x, x, rtol=1e-6, atol=1e-6)
    assert torch.allclose(found.rest, b - J @ found.x, rtol=1e-9, atol=1e-9)


def test_with_the_matrix_itself_one_step_is_enough():
    J, b = problem(10, 30)
    J = J * torch.logspace(0, 4, 10, dtype=J.dtype)[:, None]
    M = J @ J.mT + 1e-3 * torch.eye(10, dtype=J.dtype)
    found, asked = preconditioned(J, M, b, 1e-3, tol=1e-6)
    assert found.converged
    assert asked == 1
    _, without = preconditioned(J, torch.eye(10, dtype=J.dtype), b, 1e-3, tol=1e-6)
    assert without > 5


def test_nothing_to_solve_takes_no_product():
    J, b = problem(4, 6)
    found, asked = preconditioned(J, torch.eye(4, dtype=J.dtype), 0 * b, 0.1)
    assert (asked, float(found.x.abs().max()), found.converged) == (0, 0.0, True)
