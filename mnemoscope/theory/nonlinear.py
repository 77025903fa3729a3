"""One layer with an activation: gradient descent ends on the nonlinear span of the examples.

For `f(z) = phi(A z)` with an invertible `phi` the loss is zero only where `A x_i = phi^-1(x_i)` for
all examples. Every gradient is a sum of `u x_i^T`, so `A - A_0` vanishes on the complement of the
span, whatever the step size: if gradient descent comes to zero loss, it comes to

    A = phi^-1(X) X^+ + A_0 (1 - P)

(examples as columns; Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333). Outputs lie in
`phi(span phi^-1(X))` for `A_0 = 0`, and the rank of `A` is at most that of `X`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import invalid, one_of
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import parse_activation
from mnemoscope.theory.span import as_matrix, as_rows, span_rows

INVERTIBLE = ("identity", "leaky_relu", "elu", "selu", "softplus", "tanh", "sigmoid")
"""The activations that have an inverse; `sin`, `relu`, `silu`, `gelu` and others have none."""

_ELU = {"elu": (1.0, 1.0), "selu": (1.6732632423543772, 1.0507009873554805)}


def inverse_activation(activation: str, values: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Computes `phi^-1` of each entry.

    Args:
        activation: A name; `leaky_relu(0.1)` sets the slope.
        values: Within the activation's range.

    Raises:
        MnemoscopeError: there is no such activation, it has no inverse, or a value is out of its
            range.

    Example:
        >>> import torch
        >>> inverse_activation("leaky_relu", torch.tensor([-0.2, 3.0]))
        tensor([-1.,  3.])
    """
    name, slope = parse_activation(activation)
    one_of("activation", name, INVERTIBLE)
    if name == "identity":
        return values
    if name == "leaky_relu":
        assert slope is not None
        if slope <= 0:
            raise invalid("activation", activation, "a slope above 0: otherwise it has no inverse")
        return torch.where(values >= 0, values, values / slope)
    if name == "sigmoid":
        inverse = torch.logit(values)
    elif name == "tanh":
        inverse = torch.atanh(values)
    elif name == "softplus":
        # log(exp(y) - 1), without overflow for large y.
        inverse = values + torch.log(-torch.expm1(-values))
    else:
        alpha, scale = _ELU[name]
        y = values / scale
        inverse = torch.where(y >= 0, y, torch.log1p(y.clamp_max(0) / alpha))
    if not bool(torch.isfinite(inverse).all()):
        low, high = float(values.min()), float(values.max())
        raise MnemoscopeError(
            f"values from {low:.4g} to {high:.4g}, out of the range of {activation}",
            expected="values inside its range",
            todo="scale the examples into it",
            field="values",
        )
    return inverse


def nonlinear_solution(
    X: Float[Tensor, "n d"], activation: str, A0: Float[Tensor, "d d"] | None = None
) -> Float[Tensor, "d d"]:
    """Computes the weights that one layer with an activation converges to, in float64.

    Args:
        X: `(n, d)`, linearly independent examples within the activation's range.
        activation: An invertible one.
        A0: `(d, d)`, the first weights (default: zero).

    Raises:
        MnemoscopeError: an argument does not fit, or the examples are linearly dependent, so that
            zero loss is not possible in general.

    Example:
        >>> import torch
        >>> X = torch.tensor([[0.5, 0.25]])
        >>> A = nonlinear_solution(X, "sigmoid")
        >>> torch.sigmoid(X.double() @ A.T)
        tensor([[0.5000, 0.2500]], dtype=torch.float64)
    """
    rows = as_rows(X)
    V = span_rows(rows)
    if len(V) < len(rows):
        raise MnemoscopeError(
            f"{len(rows)} examples that span {len(V)} dimensions",
            expected="linearly independent examples",
            todo="remove some: phi^-1 of dependent ones need not fit a linear map",
            field="X",
        )
    A = as_matrix(A0, rows.shape[1])
    inverse = inverse_activation(activation, rows)
    return inverse.T @ torch.linalg.pinv(rows).T + A - A @ (V.T @ V)
