"""A network's linear model around its weights, and the damped step that it asks for.

With residual `r` and Jacobian `J` in the parameters, the step `s` minimizes
`||r + J s||^2 + lambda ||s||^2`. By `(J^T J + lambda I)^-1 J^T = J^T (J J^T + lambda I)^-1` it is

    s = -J^T v,   (J J^T + lambda I) v = r

so that the system has as many unknowns as there are outputs, not parameters; it leaves
`r + J s = lambda v`. It is solved with the kernel `J J^T` where that can be formed, else by
conjugate gradients, from products alone: with a preconditioner where the network has a linear last
layer, otherwise for damped least squares (CGLS).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.training.conjugate_gradients import (
    LeastSquares,
    damped_least_squares,
    preconditioned_least_squares,
)
from mnemoscope.training.last_layer import LastLayer, find_last_layer, last_rows
from mnemoscope.training.parameter_linearization import (
    ParameterLinearization,
    linearize_parameters,
)
from mnemoscope.training.tangent_kernel import can_form_kernel, tangent_kernel

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
        exact: It was found to the tolerance; else it need not lower even the model's loss.
    """

    change: Float[Tensor, " P"]
    predicted: float
    short: bool
    exact: bool = True


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
        return Step(-solved.x, predicted, short, solved.converged)

    @abstractmethod
    def _solve(self, residual: Float[Tensor, " N"], damping: float, share: float) -> LeastSquares:
        """Returns the `x` with `(J^T J + damping I) x = J^T r`."""


class KernelModel(LinearModel):
    """The model whose kernel is formed and factored: exact steps."""

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Forms the kernel: `N^2` float64 numbers, three times that while solving."""
        self._kernel = tangent_kernel(net, X)
        super().__init__(linearize_parameters(net, X), float(self._kernel.diagonal().mean()))

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


def tolerance(share: float) -> float:
    """Returns the share of their gradient that conjugate gradients may leave.

    It is the square root of what is left of the loss, from `LOOSEST` to `FINEST`: far from
    interpolation exact steps are not worth their price (Dembo, Eisenstat and Steihaug 1982).
    """
    return min(LOOSEST, max(FINEST, share**0.5))


class ProductModel(LinearModel):
    """The model by products alone: steps by conjugate gradients."""

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"]) -> None:
        """Estimates the kernel's trace from one product with random signs (Hutchinson 1990)."""
        linear = linearize_parameters(net, X)
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
            tol=tolerance(share),
            max_products=MAX_PRODUCTS,
        )


class PreconditionedModel(ProductModel):
    """The model by products alone, of a network with a linear last layer.

    Let `A` be the rows that enter the last layer (`mnemoscope.training.last_layer`), one for each
    example, or for each position of each. Its part of the kernel is `A A^T` between rows and the
    identity between the outputs of a row, `A A^T (x) I`, and it is what makes the kernel
    ill-conditioned: activations of deep layers point nearly the same way at all examples. The
    preconditioner is

        M = (A A^T + delta I) (x) I,    delta = lambda + k_o

    with `k_o` the mean diagonal of the kernel of all other layers.
    With the singular values `s` of `A` and its left singular vectors in the columns of `U`,
    `delta M^-1 R = R - U diag(s^2 / (s^2 + delta)) U^T R`.
    """

    def __init__(self, net: nn.Module, X: Float[Tensor, "n *shape"], last: LastLayer) -> None:
        """Factors the rows of the last layer; holds twice their entries, in float64."""
        super().__init__(net, X)
        rows = last_rows(net, last, X)
        self._last, self._shape = last, X.shape
        U, s, _ = torch.linalg.svd(rows, full_matrices=False)
        self._U, self._squares = U, s.square()
        own = float(self._squares.sum()) / len(rows)
        self._others = max(0.0, self.scale - own)

    def _solve(self, residual: Tensor, damping: float, share: float) -> LeastSquares:
        delta = damping + self._others
        shrink = self._squares / (self._squares + delta)

        def precondition(r: Tensor) -> Tensor:
            R = self._last.targets(self._last.outputs(r.view(self._shape)))
            solved = (R - self._U @ (shrink[:, None] * (self._U.mT @ R))) / delta
            return self._last.from_targets(solved, self._shape).flatten()

        return preconditioned_least_squares(
            self.linear,
            precondition,
            residual,
            damping,
            tol=tolerance(share),
            max_products=MAX_PRODUCTS,
        )


def linear_model(net: nn.Module, X: Float[Tensor, "n *shape"]) -> LinearModel:
    """Makes the model with a kernel where that keeps within its bounds, else one by products."""
    model = _chosen(net, X)
    if not torch.isfinite(torch.tensor(model.scale)):
        raise MnemoscopeError(
            f"a {type(net).__name__} whose derivative in its parameters is not finite",
            expected="finite derivatives at every example",
            todo="begin from other weights, or train it with another optimizer",
        )
    return model


def _chosen(net: nn.Module, X: Float[Tensor, "n *shape"]) -> LinearModel:
    if can_form_kernel(net, X):
        return KernelModel(net, X)
    last = find_last_layer(net, X)
    return ProductModel(net, X) if last is None else PreconditionedModel(net, X, last)
