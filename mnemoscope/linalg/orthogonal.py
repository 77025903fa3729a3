"""Bases of many spaces at once, `(n, j, d)`: products with them, and one new vector for each.

A product of one vector with a basis is written as a row times a matrix: batched products with a
column take a path in the BLAS that is ten to forty times slower.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def coefficients(basis: Float[Tensor, "n j d"], w: Float[Tensor, "n d"]) -> Float[Tensor, "n j"]:
    """Computes `<q_j, w>` for each vector of each basis."""
    return torch.bmm(w[:, None], basis.mT)[:, 0]


def combination(basis: Float[Tensor, "n j d"], c: Float[Tensor, "n j"]) -> Float[Tensor, "n d"]:
    """Computes `sum_j c_j q_j` for each basis."""
    return torch.bmm(c[:, None], basis)[:, 0]


def combinations(basis: Float[Tensor, "n j d"], C: Float[Tensor, "n j k"]) -> Tensor:
    """Computes `combination` for each column of `C`: `(n, k, d)`."""
    return torch.bmm(C.mT, basis)


def orthogonalize(
    w: Float[Tensor, "n d"], basis: Float[Tensor, "n j d"], spare: Float[Tensor, "n d"]
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"], Float[Tensor, "n j"]]:
    """Splits `w` into a unit vector orthogonal to the basis, its length, and its coefficients.

    Classical Gram-Schmidt done twice is orthogonal to rounding (Giraud, Langou, Rozložník 2005).
    Where nothing but rounding is left of `w` (an invariant subspace has been found), the length is
    0 and the unit vector comes from `spare`, random vectors that may be the same in every call, so
    that a basis can go on growing.
    """
    before = torch.linalg.vector_norm(w, dim=1)
    w, part = _without(w, basis)
    w, rest = _without(w, basis)
    length = torch.linalg.vector_norm(w, dim=1)
    lost = length <= 10 * torch.finfo(w.dtype).eps * before
    scale = length
    # On an accelerator the test would take longer than the work.
    if lost.device.type != "cpu" or bool(lost.any()):
        fresh = spare.roll(basis.shape[1], dims=1)
        for _ in range(2):
            fresh, _ = _without(fresh, basis)
        w = torch.where(lost[:, None], fresh, w)
        scale = torch.linalg.vector_norm(w, dim=1)
        length = torch.where(lost, torch.zeros_like(length), length)
    w = w / scale.clamp_min(torch.finfo(w.dtype).tiny)[:, None]
    return w, length, part + rest


def random_unit(
    shape: torch.Size, like: Tensor, generator: torch.Generator
) -> Float[Tensor, "n d"]:
    """Rows of unit length in uniformly random directions, the same on every device."""
    rows = torch.randn(shape, generator=generator, dtype=torch.float64)
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows.to(device=like.device, dtype=like.dtype)


def _without(
    w: Float[Tensor, "n d"], basis: Float[Tensor, "n j d"]
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n j"]]:
    part = coefficients(basis, w)
    return torch.baddbmm(w[:, None], part[:, None], basis, alpha=-1)[:, 0], part
