"""What the closed forms take: examples as rows, a square matrix, in float64."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError


def as_rows(X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """The examples in float64, on the CPU.

    Raises:
        MnemoscopeError: they are no matrix, there are none, or some number is not finite.
    """
    if not isinstance(X, Tensor) or X.ndim != 2 or X.numel() == 0:
        shape = tuple(X.shape) if isinstance(X, Tensor) else type(X).__name__
        raise MnemoscopeError(
            f"examples of shape {shape}",
            expected="a matrix (n, d), an example a row",
            todo="pass X.flatten(1)",
        )
    rows = X.detach().to("cpu", torch.float64)
    if not bool(torch.isfinite(rows).all()):
        raise MnemoscopeError(
            "examples with NaN or infinity", expected="finite numbers", todo="leave these out"
        )
    return rows


def as_matrix(A: Float[Tensor, "d d"] | None, d: int) -> Float[Tensor, "d d"]:
    """The first weights in float64; zero if there are none.

    Raises:
        MnemoscopeError: they are not `(d, d)`.
    """
    if A is None:
        return torch.zeros(d, d, dtype=torch.float64)
    if not isinstance(A, Tensor) or tuple(A.shape) != (d, d):
        shape = tuple(A.shape) if isinstance(A, Tensor) else type(A).__name__
        raise MnemoscopeError(
            f"A0 of shape {shape} for states of {d} entries",
            expected=f"({d}, {d})",
            todo="pass the first weights of the layer",
        )
    return A.detach().to("cpu", torch.float64)
