"""Bounds on rounding, against exact fractions; proved norms, against matrices of known norm."""

from fractions import Fraction

import pytest
import torch

from mnemoscope.theory.certificates.rounding import (
    estimated_norm,
    frobenius,
    gamma,
    product_error,
    proved_norm,
    row_norms,
)


def draw(*shape, seed=0, spread=0.0):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return A * 10 ** (spread * torch.randn(*shape, generator=generator, dtype=torch.float64))


def exact_product(A, B):
    return [
        [
            sum(Fraction(a) * Fraction(b) for a, b in zip(row, column, strict=True))
            for column in B.T.tolist()
        ]
        for row in A.tolist()
    ]


def squared_length(rows):
    return sum(entry**2 for row in rows for entry in row)


@pytest.mark.parametrize("spread", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_product_is_no_further_off_than_the_bound(seed, spread):
    A, B = draw(6, 40, seed=seed, spread=spread), draw(40, 5, seed=seed + 10, spread=spread)
    off = [
        [Fraction(c) - e for c, e in zip(*rows, strict=True)]
        for rows in zip((A @ B).tolist(), exact_product(A, B), strict=True)
    ]
    bound = product_error(40, frobenius(A), frobenius(B))
    assert squared_length(off) <= Fraction(bound) ** 2


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_lengths_are_no_less_than_the_true_ones(n):
    v = draw(n, seed=n, spread=2.0)
    true = squared_length([[Fraction(x) for x in v.tolist()]])
    assert Fraction(frobenius(v)) ** 2 >= true
    assert Fraction(float(row_norms(v[None])[0])) ** 2 >= true
    assert frobenius(v) == pytest.approx(float(torch.linalg.vector_norm(v)), rel=1e-12)


def test_gamma_is_n_units_and_a_little():
    assert Fraction(gamma(100)) >= Fraction(100, 2**53) / (1 - Fraction(100, 2**53))
    assert gamma(100) == pytest.approx(100 * 2.0**-53, rel=1e-9)


@pytest.mark.parametrize("size", [1e-60, 1e-3, 1.0, 1e60])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (7, 3), (30, 30)])
def test_a_product_of_two_vectors_has_the_norm_of_their_lengths(shape, size):
    # The norm of u v^T is |u||v|; of whole numbers that is exact.
    u = torch.randint(-9, 10, (shape[0], 1), generator=torch.Generator().manual_seed(1)).double()
    v = torch.randint(-9, 10, (1, shape[1]), generator=torch.Generator().manual_seed(2)).double()
    u[0], v[0, 0] = 3.0, 2.0
    exact = Fraction(float(u.square().sum())) * Fraction(float(v.square().sum()))
    exact *= Fraction(size) ** 2
    A = u @ v * size
    bound = proved_norm(A)
    assert Fraction(bound) ** 2 >= exact * (1 - Fraction(1, 2**50))
    assert bound == pytest.approx(float(exact) ** 0.5, rel=1e-8)


@pytest.mark.parametrize("n", [2, 20, 150])
def test_all_singular_values_equal(n):
    # c times an orthogonal matrix: where the largest eigenvalue is not alone, the factor of
    # theta - G is all rounding.
    Q = torch.linalg.qr(draw(n, n, seed=n)).Q
    bound = proved_norm(3 * Q)
    assert 3 - 1e-12 < bound < 3 * (1 + 1e-6)
    assert proved_norm(3 * Q) >= float(torch.linalg.matrix_norm(3 * Q, 2)) * (1 - 1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_the_proved_norm_is_above_every_direction_and_hardly_above_the_largest(seed):
    A = draw(25, 40, seed=seed, spread=1.5)
    _, s, Vh = torch.linalg.svd(A)
    # Exactly, in fractions: the quotient of the best direction that is known.
    v = [Fraction(x) for x in Vh[0].tolist()]
    image = [sum(Fraction(a) * x for a, x in zip(row, v, strict=True)) for row in A.tolist()]
    bound = proved_norm(A)
    assert Fraction(bound) ** 2 * sum(x**2 for x in v) >= sum(x**2 for x in image)
    assert bound <= float(s[0]) * (1 + 1e-9)


def test_errors_are_added():
    A = draw(4, 4)
    assert proved_norm(A, 0.5) >= proved_norm(A) + 0.5
    assert proved_norm(A[:, :0], 0.25) == 0.25


def test_what_is_not_finite_has_no_bound():
    assert proved_norm(torch.full((2, 2), torch.inf, dtype=torch.float64)) == torch.inf


def test_zero_has_norm_all_but_zero():
    assert 0 <= proved_norm(torch.zeros(3, 3, dtype=torch.float64)) < 1e-60


def test_the_estimate_is_near():
    A = draw(60, 40)
    true = float(torch.linalg.matrix_norm(A, 2))
    assert 0.85 * true < estimated_norm(A) <= true * (1 + 1e-12)
    assert estimated_norm(torch.zeros(3, 3, dtype=torch.float64)) == 0
