"""A network's linear model around its weights, and the damped step that it asks for.

With residual `r` and Jacobian `J` in the parameters, the step `s` minimizes
`||r + J s||^2 + lambda ||s||^2`. By `(J^T J + lambda I)^-1 J^T = J^T (J J^T + lambda I)^-1` it is

    s = -J^T v,   (J J^T + lambda I) v = r

so that the system has as many unknowns as there are outputs, not parameters; it leaves
`r + J s = lambda v`. It is solved with the kernel `J J^T` where that can be formed, else by
conjugate gradients for damped least squares, from products alone (CGLS).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.training.tangent_kernel import (
    ParameterLinearization,
    can_form_kernel,
    tangent_kernel,
)

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


LOOSEST, FINEST = 0.1, 1e-3
"""The share of their gradient that conjugate gradients may leave, at first and at the end.

A finer step costs as much as a second one of this kind, which begins from what the first one left.
"""

MAX_PRODUCTS = 1000
"""The most steps of conjugate gradients for one step of the network."""

ENOUGH = 0.99
"""A step that predicts this share of the loss gains nothing by less damping."""


@dataclass(frozen=True)
class Step:
    """A step that a linear model asks for.

    Attributes:
        change: `(P,)`, of the parameters.
        predicted: The share of `||r||^2` by which it falls in the linear model.
        short: Less damping would ask for a longer step that predicts notably more.
    """

    change: Float[Tensor, " P"]
    predicted: float
    short: bool


class LinearModel(ABC):
    """A network near its weights, at its examples.

    Attributes:
        linear: The Jacobian, as products.
        scale: The mean diagonal of `J J^T`, the scale of a damping.
        floor: The smallest damping, below which `J J^T` need not be positive in float64.
    """

    def __init__(self, linear: ParameterLinearization, scale: float) -> None:
        self.linear = linear
        self.scale = scale
        self.floor = torch.finfo(torch.float64).eps * linear.size * scale

    def step(self, residual: Float[Tensor, " N"], damping: float, *, share: float) -> Step:
        """Returns the damped step; none where the residual or the Jacobian is zero.

        `damping` is `lambda`, at least `floor`; `share` is what is left of the loss, 0 to 1: the
        less, the more exact the step.
        """
        square = float(residual @ residual)
        if square == 0 or self.scale == 0:
            return Step(torch.zeros_like(self.linear.weights), 0.0, False)
        solved = self._solve(residual, damping, share)
        predicted = 1 - float(solved.rest @ solved.rest) / square
        short = solved.converged and predicted < ENOUGH and damping > self.floor
        return Step(-solved.x, predicted, short)

    @abstractmethod
    def _solve(self, residual: Float[Tensor, " N"], damping: float, share: float) -> LeastSquares:
        """Returns the `x` with `(J^T J + damping I) x = J^T r`."""


class KernelModel(LinearModel):
    """The model whose kernel is formed and factored: exact steps."""

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Forms the kernel: `N^2` float64 numbers, three times that while solving."""
        self._kernel = tangent_kernel(net, X)
        super().__init__(ParameterLinearization(net, X), float(self._kernel.diagonal().mean()))

    def _solve(self, residual: Tensor, damping: float, share: float) -> LeastSquares:
        factor, failed = torch.linalg.cholesky_ex(self._damped(damping))
        while failed:
            damping *= 10
            factor, failed = torch.linalg.cholesky_ex(self._damped(damping))
        v = torch.cholesky_solve(residual[:, None], factor)[:, 0]
        return LeastSquares(self.linear.pull(v), damping * v, converged=True)

    def _damped(self, damping: float) -> Float[Tensor, "N N"]:
        damped = self._kernel.clone()
        damped.diagonal().add_(damping)
        return damped


class ProductModel(LinearModel):
    """The model by products alone: steps by conjugate gradients.

    The share of the gradient that they may leave is the square root of what is left of the loss,
    from `LOOSEST` to `FINEST`: far from interpolation exact steps are not worth their price (Dembo,
    Eisenstat and Steihaug 1982).
    """

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Estimates the kernel's trace from one product with random signs (Hutchinson 1990)."""
        linear = ParameterLinearization(net, X)
        generator = torch.Generator().manual_seed(0)
        signs = 2 * torch.randint(2, (linear.size,), generator=generator) - 1
        pulled = linear.pull(signs.to(linear.weights))
        super().__init__(linear, float(pulled @ pulled) / linear.size)

    def _solve(self, residual: Tensor, damping: float, share: float) -> LeastSquares:
        return damped_least_squares(
            self.linear.push,
            self.linear.pull,
            residual,
            damping,
            tol=min(LOOSEST, max(FINEST, share**0.5)),
            max_products=MAX_PRODUCTS,
        )


def linear_model(net: nn.Module, X: Float[Tensor, "n *shape"]) -> LinearModel:
    """Makes the model with a kernel where that keeps within its bounds, else that by products."""
    model = (KernelModel if can_form_kernel(net, X) else ProductModel)(net, X)
    if not torch.isfinite(torch.tensor(model.scale)):
        raise MnemoscopeError(
            f"a {type(net).__name__} whose derivative in its parameters is not finite",
            expected="finite derivatives at every example",
            todo="begin from other weights, or train it with another optimizer",
        )
    return model
