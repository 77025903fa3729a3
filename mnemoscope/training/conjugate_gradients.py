"""Conjugate gradients for damped least squares, from products with a Jacobian alone."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mnemoscope.training.parameter_linearization import ParameterLinearization

Product = Callable[[Tensor], Tensor]
"""A linear map's product with a vector."""


@dataclass(frozen=True)
class LeastSquares:
    """A solution `x`, its residual `b - J x`, and whether the gradient reached the tolerance."""

    x: Float[Tensor, " p"]
    rest: Float[Tensor, " n"]
    converged: bool


def damped_least_squares(
    push: Product,
    pull: Product,
    b: Float[Tensor, " n"],
    damping: float,
    *,
    tol: float,
    max_products: int,
) -> LeastSquares:
    """Finds the `x` that makes `||J x - b||^2 + damping ||x||^2` small.

    In exact arithmetic it ends at `x = J^T (J J^T + damping I)^-1 b` after as many steps as
    `J J^T` has distinct eigenvalues. These are conjugate gradients on the normal equations
    `(J^T J + damping I) x = J^T b` without their matrix (Hestenes and Stiefel 1952, section 10;
    with damping: Paige and Saunders 1982). The sum falls with every step, so one that was stopped
    early is a descent still, which those on `(J J^T + damping I) v = b` do not promise.

    Memory besides `x`: two vectors of `p` and two of `n` entries.

    Args:
        push: `v (p) -> J v (n)`.
        pull: `u (n) -> J^T u (p)`.
        b: `(n,)`, the right-hand side.
        damping: At least 0.
        tol: Stops when the gradient of the sum is at most this share of what it was at `x = 0`.
        max_products: Maximum number of steps, each with a product of each kind.
    """
    rest = b.clone()
    gradient = pull(rest)
    x, direction = gradient.new_zeros(gradient.shape), gradient
    square = first = float(gradient @ gradient)
    products = 0
    while square > tol**2 * first and products < max_products:
        products += 1
        image = push(direction)
        length = square / float(image @ image + damping * (direction @ direction))
        x.add_(direction, alpha=length)
        rest.sub_(image, alpha=length)
        gradient = pull(rest).sub_(x, alpha=damping)
        before, square = square, float(gradient @ gradient)
        direction = gradient + (square / before) * direction
    return LeastSquares(x, rest, square <= tol**2 * first)


def preconditioned_least_squares(
    linear: ParameterLinearization,
    precondition: Product,
    b: Float[Tensor, " n"],
    damping: float,
    *,
    tol: float,
    max_products: int,
) -> LeastSquares:
    """Finds `x = J^T v` with `(J J^T + damping I) v = b`, by preconditioned conjugate gradients.

    With `M` near `J J^T + damping I` they take as many steps as `M^-1 (J J^T + damping I)` has
    distinct eigenvalues, in exact arithmetic (Concus, Golub and O'Leary 1976). `x` is carried
    along, so that a step costs one product of each kind, as without `M`. One that was stopped
    early need not be a descent.

    Memory besides `x`: one vector of `p` and six of `n` entries.

    Args:
        linear: `J`, as products.
        precondition: `r -> M^-1 r`; `M` symmetric and positive.
        b: `(n,)`, the right-hand side.
        damping: At least 0.
        tol: Stops when `sqrt(r M^-1 r)` of the residual `r` is at most this share of what it was.
        max_products: Maximum number of steps.
    """
    rest, v = b.clone(), b.new_zeros(b.shape)
    direction = solved = precondition(rest)
    square = first = float(rest @ solved)
    x, products = None, 0
    while square > tol**2 * first and products < max_products:
        products += 1
        pulled = linear.pull(direction)
        image = linear.push(pulled).add_(direction, alpha=damping)
        length = square / float(direction @ image)
        v.add_(direction, alpha=length)
        x = length * pulled if x is None else x.add_(pulled, alpha=length)
        rest.sub_(image, alpha=length)
        solved = precondition(rest)
        before, square = square, float(rest @ solved)
        direction = solved + (square / before) * direction
    if x is None:
        x = linear.weights.new_zeros(linear.weights.shape)
    return LeastSquares(x, rest.add_(v, alpha=damping), square <= tol**2 * first)
