"""One linear layer: gradient descent ends at the projection on the span of the examples.

For `f(z) = A z` and the mean squared error `E = |A X^T - X^T|^2 / (n d)` (examples are the rows of
`X`) gradient descent with rate `lr` is

    A_(t+1) = A_t - (A_t - 1) (2 lr / (n d)) X^T X,

so with `X^T X = V diag(s^2) V^T` the distance to the identity shrinks along each column of `V` by
itself, `(1 - A_t) = (1 - A_0) (1 - V diag(1 - (1 - 2 lr s^2 / (n d))^t) V^T)`, and is untouched on
the complement of the span. The limit is `A = P + A_0 (1 - P)` (Radhakrishnan, Yang, Belkin, Uhler,
arXiv 1810.10333; for linear regression in general: Engl, Hanke, Neubauer 1996).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError


def span_projection(
    X: Float[Tensor, "n d"], A0: Float[Tensor, "d d"] | None = None
) -> Float[Tensor, "d d"]:
    """Computes the weights that one linear layer converges to: `P + A_0 (1 - P)`, in float64.

    `P` is the orthogonal projection on the span of the examples; directions whose singular value is
    below `max(n, d) eps` times the largest count as none.

    Args:
        X: `(n, d)`, the examples.
        A0: `(d, d)`, the first weights (default: zero).

    Raises:
        MnemoscopeError: `X` is no matrix of finite numbers, or `A0` does not fit.

    Example:
        >>> import torch
        >>> span_projection(torch.tensor([[3.0, 4.0]])).round(decimals=3)
        tensor([[0.3600, 0.4800],
                [0.4800, 0.6400]], dtype=torch.float64)
    """
    V = span_rows(as_rows(X))
    P = V.T @ V
    A = as_matrix(A0, len(P))
    return P + A - A @ P


def gradient_path(
    X: Float[Tensor, "n d"],
    A0: Float[Tensor, "d d"] | None,
    lr: float,
    steps: int | Sequence[int],
) -> Float[Tensor, "*t d d"]:
    """Computes the weights of one linear layer after steps of gradient descent, in closed form.

    Full batch, on the mean squared error over all entries, without momentum.

    Args:
        X: `(n, d)`, the examples.
        A0: `(d, d)`, the first weights; None for zero.
        lr: The learning rate; below `n d / s^2`, with `s` the largest singular value of `X`, or
            the path diverges.
        steps: A number of steps, or several: then one matrix for each.

    Raises:
        MnemoscopeError: `X` is no matrix of finite numbers, `A0` does not fit, or a number of steps
            is negative.

    Example:
        >>> import torch
        >>> X = torch.tensor([[1.0, 0.0]])
        >>> gradient_path(X, None, lr=0.5, steps=[0, 1, 2])[:, 0, 0]
        tensor([0.0000, 0.5000, 0.7500], dtype=torch.float64)
    """
    rows = as_rows(X)
    A = as_matrix(A0, rows.shape[1])
    one = isinstance(steps, int)
    times = torch.tensor([steps] if isinstance(steps, int) else list(steps), dtype=torch.float64)
    if len(times) and bool((times < 0).any()):
        raise MnemoscopeError(
            f"steps={steps}",
            expected="numbers of at least 0",
            todo="count steps from the start",
            field="steps",
        )
    _, s, Vh = torch.linalg.svd(rows, full_matrices=False)
    left = (1 - 2 * lr * s**2 / rows.numel()) ** times[:, None]
    done = torch.einsum("td,di,dj->tij", 1 - left, Vh, Vh)
    eye = torch.eye(len(A), dtype=torch.float64)
    path = A + (eye - A) @ done
    return path[0] if one else path


def span_rows(X: Float[Tensor, "n d"]) -> Float[Tensor, "r d"]:
    """Returns orthonormal rows that span the examples; directions at rounding are omitted."""
    _, s, Vh = torch.linalg.svd(X, full_matrices=False)
    threshold = max(X.shape) * torch.finfo(X.dtype).eps * (s[0] if len(s) else 0)
    return Vh[s > threshold]


def as_rows(X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Returns examples as finite float64 rows on the CPU; an error where they are none."""
    if not isinstance(X, Tensor) or X.ndim != 2 or X.numel() == 0:
        shape = tuple(X.shape) if isinstance(X, Tensor) else type(X).__name__
        raise MnemoscopeError(
            f"examples of shape {shape}",
            expected="a matrix (n, d), an example a row",
            todo="pass X.flatten(1)",
            field="X",
        )
    rows = X.detach().to("cpu", torch.float64)
    if not bool(torch.isfinite(rows).all()):
        raise MnemoscopeError(
            "examples with NaN or infinity",
            expected="finite numbers",
            todo="remove these",
            field="X",
        )
    return rows


def as_matrix(A: Float[Tensor, "d d"] | None, d: int) -> Float[Tensor, "d d"]:
    """Returns the first weights in float64, default zero; an error where they are not `(d, d)`."""
    if A is None:
        return torch.zeros(d, d, dtype=torch.float64)
    if not isinstance(A, Tensor) or tuple(A.shape) != (d, d):
        shape = tuple(A.shape) if isinstance(A, Tensor) else type(A).__name__
        raise MnemoscopeError(
            f"A0 of shape {shape} for states of {d} entries",
            expected=f"({d}, {d})",
            todo="pass the first weights of the layer",
            field="A0",
        )
    return A.detach().to("cpu", torch.float64)
