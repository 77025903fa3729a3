"""Leading singular values of many Jacobians at once by Golub-Kahan bidiagonalization.

Products with `J` and `J^T` alternately grow orthonormal bases `V` and `U` of each state's Krylov
spaces with `J V = U B`, `B` upper triangular (bidiagonal until the first restart), and
`J^T U = V B^T + beta v e^T`. With the SVD `B = P S Q^T`, the triple `(s_i, U p_i, V q_i)` has
`||J^T u - s v|| = beta |P[last, i]|` and `J v = s u` (Golub & Kahan 1965). A full basis is
restarted with its leading singular vectors and the last direction (Baglama & Reichel 2005).
Both bases are reorthogonalized in full.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.linalg.arnoldi import Product
from mnemoscope.linalg.orthogonal import combinations, orthogonalize, random_unit
from mnemoscope.linalg.values import LeadingValues


def leading_singular_values(
    products_at: Callable[[Int[Tensor, " a"]], tuple[Product, Product]],
    like: Float[Tensor, "n d"],
    *,
    k: int,
    tol: float,
    basis_size: int,
    max_products: int,
    generator: torch.Generator,
) -> LeadingValues:
    """Computes the `k` largest singular values of `n` matrices, given by `v -> J v`, `u -> J^T u`.

    Arguments as in `leading_eigenvalues`; `basis_size` counts the vectors on each side.
    """
    n, d = like.shape
    m, eps = min(basis_size, d), torch.finfo(like.dtype).eps
    found = _nothing_yet(like, k)
    active = torch.arange(n, device=like.device)
    jvp, vjp = products_at(active)
    V, U, B = like.new_zeros(n, m + 1, d), like.new_zeros(n, m, d), like.new_zeros(n, m, m)
    V[:, 0] = random_unit(like.shape, like, generator)
    spare = random_unit(like.shape, like, generator)
    j = made = 0
    check = min(m, max(2 * k + 2, 8))
    while True:
        U[:, j], alpha, B[:, :j, j] = orthogonalize(jvp(V[:, j]), U[:, :j], spare)
        B[:, j, j] = alpha
        v = vjp(U[:, j])
        made += 2
        j += 1
        beta = torch.zeros_like(alpha)
        if j < d:
            V[:, j], beta, _ = orthogonalize(v, V[:, :j], spare)
        if j < check and made < max_products:
            continue
        small = B[:, :j, :j]
        bad = ~torch.isfinite(small).flatten(1).all(1)
        P, S, Qh = torch.linalg.svd(torch.where(bad[:, None, None], torch.zeros_like(small), small))
        residual = beta[:, None] * P[:, -1, :k].abs()
        limit = torch.maximum(tol * S[:, :1], 50 * eps * S[:, :1])
        good = (residual <= limit) & ~bad[:, None]
        parts = (torch.where(bad[:, None], torch.nan, part) for part in (S[:, :k], residual))
        found.values[active], found.residual[active] = parts
        found.converged[active], found.products[active] = good, made
        open_ = ~good.all(1) & ~bad
        if made >= max_products or j >= d or not bool(open_.any()):
            return found
        if j == m:
            keep = min(m - 1, k + (m - k) // 2)
            last = V[:, j].clone()
            V[:, :keep] = combinations(V[:, :j], Qh[:, :keep].mT)
            U[:, :keep] = combinations(U[:, :j], P[:, :, :keep])
            V[:, keep] = last
            B.zero_()
            B[:, :keep, :keep] = torch.diag_embed(S[:, :keep])
            j = keep
        if int(open_.sum()) <= len(active) // 2:
            active, V, U, B, spare = (part[open_] for part in (active, V, U, B, spare))
            jvp, vjp = products_at(active)
        check = min(m, j + 8)


def _nothing_yet(like: Float[Tensor, "n d"], k: int) -> LeadingValues:
    n = len(like)
    return LeadingValues(
        values=like.new_zeros(n, k),
        residual=like.new_full((n, k), torch.inf),
        converged=like.new_zeros(n, k, dtype=torch.bool),
        products=like.new_zeros(n, dtype=torch.int64),
    )
