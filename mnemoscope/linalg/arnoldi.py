"""Leading eigenvalues of many Jacobians at once by thick-restarted Arnoldi, no matrix formed.

For each state an orthonormal basis `Q` of a Krylov space of `J` grows by one product a step, all
states in one batched product. Rayleigh-Ritz on it, `H = Q^T J Q`, gives Ritz pairs
`(theta, x = Q y)` with residual `||J x - theta x||` (Saad, *Numerical Methods for Large Eigenvalue
Problems*, 2011, ch. 6). When the basis is full it is restarted with the leading Ritz vectors and
the last direction (Morgan 1996; Wu & Simon 2000).

The images `J Q` are kept as well. So the residual is that of real products, not of a recurrence
that rounding or a nearly defective `J` may have spoilt, and any subspace may be kept at a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from mnemoscope.linalg.eigen import eigenpairs
from mnemoscope.linalg.orthogonal import combinations, orthogonalize, random_unit
from mnemoscope.linalg.values import LeadingValues

Product = Callable[[Float[Tensor, "a d"]], Float[Tensor, "a d"]]

NEXT = 2
"""Values known beyond those asked for: a complex pair, from which a leading one must be apart."""

ROUNDINGS = 50.0
"""Roundings of the largest image below which no residual can be resolved."""


@dataclass(frozen=True)
class RitzValues(LeadingValues):
    """Leading eigenvalues with all that a Krylov basis shows of them.

    Attributes:
        next: `(n, e)`, up to `NEXT` values that follow, converged or not; infinite where the basis
            has no more.
        condition: `(n, k)`, condition numbers of the values of `H`: rough estimates of those of
            `J`, unless the basis spans the whole space.
        image_norm: `(n,)`, the largest `||J q||` of a vector of the basis.
        vectors: `(n, k, d)`, unit Ritz vectors, if requested.
    """

    next: Complex[Tensor, "n e"]
    condition: Float[Tensor, "n k"]
    image_norm: Float[Tensor, " n"]
    vectors: Complex[Tensor, "n k d"] | None = None


class _Pairs(NamedTuple):
    """Rayleigh-Ritz on a basis: all values, largest modulus first; residuals of the first `k`."""

    values: Complex[Tensor, "n j"]
    Y: Complex[Tensor, "n j j"]
    residual: Float[Tensor, "n k"]
    image_norm: Float[Tensor, " n"]
    good: Bool[Tensor, "n k"]
    bad: Bool[Tensor, " n"]


def leading_eigenvalues(
    products_at: Callable[[Int[Tensor, " a"]], Product],
    like: Float[Tensor, "n d"],
    *,
    k: int,
    tol: float,
    basis_size: int,
    max_products: int,
    generator: torch.Generator,
    vectors: bool = False,
) -> RitzValues:
    """Computes the `k` eigenvalues of largest modulus of `n` matrices, given by their products.

    `products_at` gives the batched product `v -> J v` at some of the states; `like` has the shape,
    dtype and device of vectors. A pair has converged when its residual is at most `tol |theta_1|`,
    or at the floor of rounding, `max(50, 5 sqrt(j)) eps max ||J q||` with `j` basis vectors.
    `basis_size` vectors, more than `k + 1` or `d`, are held for each state before a restart.
    """
    n, d = like.shape
    m = min(basis_size, d)
    # A basis of fewer vectors has fewer values.
    max_products = max(max_products, k)
    found = _nothing_yet(like, k, vectors=vectors)
    active = torch.arange(n, device=like.device)
    apply = products_at(active)
    Q = like.new_zeros(n, m + 1, d)
    W = like.new_zeros(n, m, d)
    Q[:, 0] = random_unit(like.shape, like, generator)
    spare = random_unit(like.shape, like, generator)
    j = made = 0
    check = min(m, max(2 * k + 4, 16))
    while True:
        W[:, j] = apply(Q[:, j])
        made += 1
        j += 1
        if j < d:
            Q[:, j], _, _ = orthogonalize(W[:, j - 1], Q[:, :j], spare)
        if j < check and made < max_products:
            continue
        pairs = _rayleigh_ritz(Q[:, :j], W[:, :j], k, tol)
        _record(found, active, pairs, Q[:, :j], made)
        open_ = ~pairs.good.all(1) & ~pairs.bad
        if made >= max_products or j >= d or not bool(open_.any()):
            found.condition[active] = _conditions(pairs.Y, k)
            return found
        if j == m:
            keep = min(m - 1, k + (m - k) // 2)
            P = torch.linalg.qr(_real_basis(pairs.Y[:, :, :keep], pairs.values[:, :keep])).Q
            last = Q[:, j].clone()
            Q[:, :keep] = combinations(Q[:, :j], P)
            W[:, :keep] = combinations(W[:, :j], P)
            Q[:, keep] = orthogonalize(last, Q[:, :keep], spare)[0]
            j = keep
        if int(open_.sum()) <= len(active) // 2:
            found.condition[active[~open_]] = _conditions(pairs.Y[~open_], k)
            active, Q, W, spare = active[open_], Q[open_], W[open_], spare[open_]
            apply = products_at(active)
        check = min(m, j + max(8, j // 4))


def _nothing_yet(like: Float[Tensor, "n d"], k: int, *, vectors: bool) -> RitzValues:
    n, d = like.shape
    dtype = like.dtype.to_complex()
    return RitzValues(
        values=like.new_zeros(n, k, dtype=dtype),
        residual=like.new_full((n, k), torch.inf),
        converged=like.new_zeros(n, k, dtype=torch.bool),
        products=like.new_zeros(n, dtype=torch.int64),
        next=like.new_full((n, min(NEXT, d - k)), torch.inf, dtype=dtype),
        condition=like.new_full((n, k), torch.inf),
        image_norm=like.new_zeros(n),
        vectors=like.new_zeros(n, k, d, dtype=dtype) if vectors else None,
    )


def _rayleigh_ritz(
    Q: Float[Tensor, "n j d"], W: Float[Tensor, "n j d"], k: int, tol: float
) -> _Pairs:
    H = torch.bmm(Q, W.mT)
    bad = ~torch.isfinite(H).flatten(1).all(1)
    # LAPACK balances its matrix first: entries of mere rounding would be scaled up to matter.
    noise = torch.finfo(H.dtype).eps * torch.linalg.matrix_norm(H)[:, None, None]
    values, Y = eigenpairs(torch.where(bad[:, None, None] | (H.abs() <= noise), 0, H))
    order = values.abs().argsort(dim=1, descending=True, stable=True)
    values = values.gather(1, order)
    Y = Y.gather(2, order[:, None, :].expand_as(Y))
    residual = _residual(Q, W, Y[:, :, :k], values[:, :k])
    # Each entry of a residual is a difference of sums of j terms.
    roundings = max(ROUNDINGS, 5 * Q.shape[1] ** 0.5) * torch.finfo(Q.dtype).eps
    image_norm = torch.linalg.vector_norm(W, dim=2).amax(1)
    limit = torch.maximum(tol * values[:, 0].abs(), roundings * image_norm)
    good = (residual <= limit[:, None]) & ~bad[:, None]
    return _Pairs(values, Y, residual, image_norm, good, bad)


def _record(
    found: RitzValues, active: Int[Tensor, " a"], pairs: _Pairs, Q: Tensor, made: int
) -> None:
    k, bad = found.values.shape[1], pairs.bad[:, None]
    found.values[active] = torch.where(bad, torch.nan, pairs.values[:, :k])
    found.residual[active] = torch.where(bad, torch.nan, pairs.residual)
    found.converged[active] = pairs.good
    found.products[active] = made
    found.image_norm[active] = pairs.image_norm
    following = torch.where(bad, torch.nan, pairs.values[:, k : k + found.next.shape[1]])
    found.next[active, : following.shape[1]] = following
    if found.vectors is not None:
        parts = (combinations(Q, part) for part in (pairs.Y[:, :, :k].real, pairs.Y[:, :, :k].imag))
        found.vectors[active] = torch.complex(*parts)


def _conditions(Y: Complex[Tensor, "n j j"], k: int) -> Float[Tensor, "n k"]:
    """Computes condition numbers from unit eigenvectors as columns; infinite if dependent.

    The rows of the inverse are left eigenvectors with `w_i y_i = 1`.
    """
    size = torch.linalg.vector_norm(torch.linalg.inv_ex(Y)[0][:, :k], dim=2)
    return torch.nan_to_num(size, nan=torch.inf)


def _residual(
    Q: Float[Tensor, "n j d"],
    W: Float[Tensor, "n j d"],
    Y: Complex[Tensor, "n j k"],
    values: Complex[Tensor, "n k"],
) -> Float[Tensor, "n k"]:
    """Computes `||J x - theta x||` for `x = Q y` of unit length, in real arithmetic."""
    y, z = Y.real, Y.imag
    a, b = values.real[:, :, None], values.imag[:, :, None]
    x, xi = (combinations(Q, part) for part in (y, z))
    w, wi = (combinations(W, part) for part in (y, z))
    square = (w - a * x + b * xi).square().sum(2) + (wi - a * xi - b * x).square().sum(2)
    return square.sqrt()


def _real_basis(
    Y: Complex[Tensor, "n j k"], values: Complex[Tensor, "n k"]
) -> Float[Tensor, "n j k"]:
    """Returns real columns that span the eigenvectors: Re for one of a pair, Im for the other."""
    return torch.where((values.imag >= 0)[:, None, :], Y.real, Y.imag)
