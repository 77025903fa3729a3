"""Orthogonalization of one new vector for each state against that state's basis."""

import torch
from jaxtyping import Float
from torch import Tensor


def orthogonalize(
    w: Float[Tensor, "n d"], basis: Float[Tensor, "n j d"], generator: torch.Generator
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"], Float[Tensor, "n j"]]:
    """Splits `w` into a unit vector orthogonal to the basis, its length, and its coefficients.

    Classical Gram-Schmidt done twice is orthogonal to rounding (Giraud, Langou, Rozložník 2005).
    Where nothing but rounding is left of `w` (an invariant subspace has been found), the length is
    0 and the unit vector is a random one, so that a basis can go on growing.

    Returns:
        direction `(n, d)`, length `(n,)`, coefficients `(n, j)` of `w` in the basis.
    """
    before = torch.linalg.vector_norm(w, dim=1)
    coefficients = w.new_zeros(basis.shape[:2])
    for _ in range(2):
        part = torch.einsum("njd,nd->nj", basis, w)
        w = w - torch.einsum("njd,nj->nd", basis, part)
        coefficients = coefficients + part
    length = torch.linalg.vector_norm(w, dim=1)
    lost = length <= 10 * torch.finfo(w.dtype).eps * before
    if bool(lost.any()):
        fresh = random_unit(w.shape, w, generator)
        for _ in range(2):
            part = torch.einsum("njd,nd->nj", basis, fresh)
            fresh = fresh - torch.einsum("njd,nj->nd", basis, part)
        w = torch.where(lost[:, None], fresh, w)
        scale = torch.linalg.vector_norm(w, dim=1)
        length = torch.where(lost, torch.zeros_like(length), length)
    else:
        scale = length
    return w / scale.clamp_min(torch.finfo(w.dtype).tiny)[:, None], length, coefficients


def random_unit(
    shape: torch.Size, like: Tensor, generator: torch.Generator
) -> Float[Tensor, "n d"]:
    """Rows of unit length in uniformly random directions, the same on every device."""
    rows = torch.randn(shape, generator=generator, dtype=torch.float64)
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows.to(device=like.device, dtype=like.dtype)
