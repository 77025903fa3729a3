"""All eigenvalues of many dense matrices, each with a disc that holds it.

With computed eigenvectors `X`, values `L` and an inverse `Y` of `X`, `A` is similar to
`L + X^-1 R`, `R = A X - X L`. Gershgorin's discs of that matrix hold all eigenvalues of `A`, and as
many as there are discs in each group that overlaps no other (Rump, *Computational error bounds for
multiple or nearly multiple eigenvalues*, 2001; Miyajima, *Fast enclosure for all eigenvalues in
generalized eigenvalue problems*, 2010). A disc's radius is about the condition number of the value
times the residuals, and no gap to the next value has to be assumed.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from mnemoscope.linalg.eigen import in_threads

MAX_DEFECT = 0.5
"""Largest distance of the product of `X` and its inverse from the identity."""


@dataclass(frozen=True)
class Enclosure:
    """Eigenvalues, largest modulus first, with what encloses them.

    Attributes:
        values: `(n, d)`.
        right: `(n, d, d)`, unit eigenvectors as columns.
        left: `(n, d, d)`, left ones as rows, `y_i x_i = 1`.
        disc: `(n, d)`, radius of each value's disc, infinite where the vectors are dependent.
        error: `(n, k)`, bound on the distance of each of the first `k` values from the eigenvalue
            that it approximates.
        upper: `(n,)`, bound on the spectral radius.
    """

    values: Complex[Tensor, "n d"]
    right: Complex[Tensor, "n d d"]
    left: Complex[Tensor, "n d d"]
    disc: Float[Tensor, "n d"]
    error: Float[Tensor, "n k"]
    upper: Float[Tensor, " n"]


def enclose(A: Float[Tensor, "n d d"], rounding: Float[Tensor, " n"], k: int) -> Enclosure:
    """Encloses the eigenvalues of every matrix whose entries are off by `rounding |A_ij|` at most.

    What the products that check the eigenpairs are off by is counted with its usual size,
    `(2 + sqrt(d) / 8) eps` of the sums of moduli, not with the worst case `d eps`: rounding errors
    of a sum partly cancel, and it is summed in eight or more parts (Higham & Mary 2019). The first
    `k` values get an error bound of their own.
    """
    parts = in_threads(lambda A, rounding: _enclose(A, rounding, k), A, rounding)
    if len(parts) == 1:
        return parts[0]
    every = [[getattr(part, field.name) for part in parts] for field in fields(Enclosure)]
    return Enclosure(*map(torch.cat, every))


def _enclose(A: Tensor, rounding: Tensor, k: int) -> Enclosure:
    d = A.shape[-1]
    values, X = torch.linalg.eig(A)
    order = values.abs().argsort(dim=1, descending=True, stable=True)
    values = values.gather(1, order)
    X = X.gather(2, order[:, None, :].expand_as(X))
    Y, _ = torch.linalg.inv_ex(X)
    eps = torch.finfo(A.dtype).eps
    products = (2 + d**0.5 / 8) * eps
    R = torch.complex(A @ X.real, A @ X.imag) - X * values[:, None, :]
    moduli, rows = X.abs(), Y.abs()
    noise = (products + rounding)[:, None, None] * (A.abs() @ moduli)
    noise = noise + 2 * eps * moduli * values.abs()[:, None, :]
    F = (Y @ R).abs()
    disc = F.sum(2) + (rows @ noise.sum(2, keepdim=True))[:, :, 0]
    identity = torch.eye(d, dtype=A.dtype, device=A.device)
    off = (identity - Y @ X).abs().sum(2)
    off = off + products * (rows @ moduli.sum(2, keepdim=True))[:, :, 0]
    worst = off.amax(1, keepdim=True)
    # X^-1 = (I - G)^-1 Y with the defect G of the inverse, and (I - G)^-1 = I + (I - G)^-1 G.
    spread = off / (1 - worst.clamp_max(MAX_DEFECT)) * disc.amax(1, keepdim=True)
    disc = (disc + spread) * (1 + 4 * d * eps)
    disc = torch.where((worst < MAX_DEFECT) & torch.isfinite(disc), disc, torch.inf)
    upper = (values.abs() + disc).amax(1) * (1 + 4 * eps)
    row = F[:, :k] + rows[:, :k] @ noise + spread[:, :k, None]
    column = F[:, :, :k] + rows @ noise[:, :, :k] + spread[:, :, None]
    error = _alone(values, disc, row, column.mT)
    touching = torch.isinf(error).any(1) & torch.isfinite(upper)
    error[touching] = torch.minimum(error[touching], _in_group(values[touching], disc[touching], k))
    return Enclosure(values, X, Y, disc, error, upper)


def _alone(values: Tensor, disc: Tensor, row: Tensor, column: Tensor) -> Float[Tensor, "n k"]:
    """Radius of a disc that holds one value only, where there is one; else infinity.

    Multiplying row `i` of `L + F` by `t` and dividing column `i` by it is a similarity. It shrinks
    the disc of `i` to nearly `|F_ii|`, which is the first-order bound, and lets the others grow.
    `row` and `column`, `(n, k, d)`, are moduli of the first rows and columns of `F`.
    """
    k = row.shape[1]
    gap = (values[:, :k, None] - values[:, None, :]).abs() - disc[:, None, :]
    gap.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    t = 2 * column / gap.clamp_min(torch.finfo(disc.dtype).tiny)
    t.diagonal(dim1=1, dim2=2).zero_()
    t = t.amax(2)
    own = row.diagonal(dim1=1, dim2=2)
    radius = own + t * (disc[:, :k] - own).clamp_min(0)
    apart = torch.isfinite(radius) & (t <= 1) & (radius < gap.amin(2) / 2)
    return torch.where(apart, radius, torch.inf)


def _in_group(values: Tensor, disc: Tensor, k: int) -> Float[Tensor, "n k"]:
    """Returns the furthest point of the discs that hang together with each value's own."""
    distance = (values[:, :, None] - values[:, None, :]).abs()
    touch = (distance <= disc[:, :, None] + disc[:, None, :]).float()
    joined = touch[:, :k]
    while not torch.equal(further := ((joined @ touch) > 0).float(), joined):
        joined = further
    return torch.where(joined > 0, distance[:, :k] + disc[:, None, :], 0).amax(2)
