"""Bounds on rounding that hold for the real numbers behind float64 ones.

One rounding is an error of at most `u = 2^-53` of the result. A sum of `n` products, in whatever
order, with fused operations or without, is then off by at most `gamma_n sum |a_i b_i|`,
`gamma_n = n u / (1 - n u)` (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd edition,
section 3.1). For a matrix product that is `gamma_n |A||B|` in each entry, so at most
`gamma_n |A|_F |B|_F` in the Frobenius norm, which is no less than the spectral one. Nothing else is
assumed of the products. What LAPACK finds is never trusted: it is multiplied out and compared.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

UNIT = 2.0**-53
"""The largest relative error of one rounding to the nearest float64."""

UP = 1 + 2.0**-40
"""Factor of bounds made of scalars: it allows for 4000 roundings, a bound has 100."""

TINY = 1e-140
"""Added to norms: more than what all underflows of squares and products come to together."""

Norm = Callable[[Tensor, float], float]
"""`(A, e)` -> a bound on the spectral norm of all matrices that are within `e` of `A` in it."""


def gamma(n: int) -> float:
    """Computes `gamma_n` of a sum of `n` products."""
    return n * UNIT / (1 - n * UNIT) * UP


def frobenius(A: Float[Tensor, "*shape"]) -> float:
    """Bounds the root of the sum of squares from above: of a vector its length."""
    return float(torch.linalg.vector_norm(A)) * (1 + (A.numel() + 16) * 2 * UNIT) + TINY


def row_norms(A: Float[Tensor, "m n"]) -> Float[Tensor, " m"]:
    """Bounds the length of each row from above."""
    return torch.linalg.vector_norm(A, dim=1) * (1 + (A.shape[1] + 16) * 2 * UNIT) + TINY


def product_error(n: int, A: float, B: float) -> float:
    """Bounds the error of a product, in the spectral norm, by its factors' Frobenius norms.

    `n` is its inner dimension, and one more for each further rounding of an entry.
    """
    return gamma(n) * A * B * UP + TINY


def proved_norm(A: Float[Tensor, "m n"], error: float = 0.0) -> float:
    """Bounds the spectral norm of all matrices within `error` of `A`, closely, from above.

    With `G = A^T A`, `theta I - G = L L^T - R` for any matrix `L`, so `|A|^2 <= theta + |R|`. `L`
    is a Cholesky factor for a `theta` just above the largest eigenvalue that LAPACK finds; `|R|` is
    bounded by multiplying out. Without such a factor it is the Frobenius norm.

    Example:
        >>> bound = proved_norm(torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64))
        >>> 5 <= bound < 5 + 1e-9
        True
    """
    if A.numel() == 0:
        return error
    if A.shape[0] < A.shape[1]:
        A = A.T
    m, n = A.shape
    length = frobenius(A)
    G = A.T @ A
    G = (G + G.T) / 2
    if not bool(torch.isfinite(G).all()):
        return float("inf")
    top = float(torch.linalg.eigvalsh(G)[-1])
    for margin in (1e-12, 1e-9, 1e-5):
        theta = top * (1 + n * margin) + TINY
        rest = -G
        rest.diagonal().add_(theta)
        L, failed = torch.linalg.cholesky_ex(rest)
        if int(failed):
            continue
        # Of G: m products and the mean of two; of the rest: one sum; of L L^T: n products.
        residual = frobenius(rest - L @ L.T) + gamma(n + 1) * frobenius(L) ** 2
        residual += gamma(m + 2) * length**2 + 4 * UNIT * (n * theta + length**2)
        return min((theta + residual) ** 0.5, length) * UP + error * UP
    return length * UP + error * UP


def estimated_norm(A: Float[Tensor, "m n"], error: float = 0.0) -> float:
    """Estimates the spectral norm from below by power iteration. It proves nothing."""
    if A.numel() == 0:
        return error
    if min(A.shape) <= SMALL:
        return float(torch.linalg.matrix_norm(A, 2)) + error
    v = torch.ones(A.shape[1], dtype=A.dtype)
    # Started at its heaviest row, so that no start is orthogonal to what is sought.
    v += A[int(torch.linalg.vector_norm(A, dim=1).argmax())]
    value = 0.0
    for _ in range(POWER_STEPS):
        v = A.T @ (A @ (v / torch.linalg.vector_norm(v).clamp_min(TINY)))
        value = float(torch.linalg.vector_norm(v)) ** 0.5
    return value + error


SMALL = 24
"""Matrices with so few rows or columns are decomposed faster than multiplied a dozen times."""

POWER_STEPS = 12
"""Steps of power iteration: on weights they come within some percent, which is made up for by
proving the result and giving way a little if that fails."""
