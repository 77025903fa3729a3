"""The matrix of a linear network, and how its leading eigenspace lies to the span of examples."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.linalg.span import span_basis
from mnemoscope.maps import SelfMap


def operator(net: nn.Module, shape: tuple[int, ...]) -> Float[Tensor, "d d"]:
    """Computes the matrix `A` with `f(z) = A z`, in float64, from the images of all pixels.

    An entry that only products with zero add up to is exactly 0, which a fast convolution in
    float32 would not promise. The network is linear and has no biases.

    Example:
        >>> operator(nn.Conv2d(1, 1, 1, bias=False), (1, 2, 2)).count_nonzero().item()
        4
    """
    f = SelfMap(net, shape).to(torch.float64, device="cpu")
    return f(torch.eye(f.size, dtype=torch.float64).reshape(-1, *shape)).flatten(1).T


def moduli(A: Float[Tensor, "d d"]) -> Float[Tensor, " d"]:
    """Returns the moduli of the eigenvalues, largest first; NaN for a matrix that is not finite.

    Example:
        >>> moduli(torch.tensor([[0.0, -2.0], [2.0, 0.0]])).round(decimals=3).tolist()
        [2.0, 2.0]
    """
    if not bool(torch.isfinite(A).all()):
        return torch.full_like(A[0], torch.nan)
    return torch.linalg.eigvals(A).abs().sort(descending=True).values


def angle_to_span(A: Float[Tensor, "d d"], X: Float[Tensor, "n *shape"]) -> float:
    """Computes the largest angle (radians) between leading eigenspace and span of the examples.

    The eigenspace is that of as many eigenvalues as the span has dimensions, largest moduli first.
    With an orthonormal basis `V` of it and `P` the projection on the span, the sine of the angle is
    `|(1 - P) V|` (Björck and Golub 1973), which is exact for small angles, where the cosine is not.
    NaN for a matrix that is not finite.

    Example:
        >>> A = torch.diag(torch.tensor([1.0, 0.5], dtype=torch.float64))
        >>> round(angle_to_span(A, torch.tensor([[1.0, 1.0]])), 6)  # 45 degrees
        0.785398
    """
    if not bool(torch.isfinite(A).all()):
        return math.nan
    basis = span_basis(X).to(A)
    values, vectors = torch.linalg.eig(A)
    leading = vectors[:, values.abs().argsort(descending=True)[: len(basis)]]
    V = torch.linalg.qr(leading).Q
    B = basis.to(V.dtype)
    sine = float(torch.linalg.matrix_norm(V - B.T @ (B @ V), ord=2))
    return math.asin(min(1.0, sine))
