"""Spectra of maps whose values come in steps, from difference quotients over visible lengths."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.linalg.arnoldi import Product, leading_eigenvalues
from mnemoscope.linalg.dense import dense_eigenvalues, dense_singular_values
from mnemoscope.linalg.values import LeadingValues, Spectrum
from mnemoscope.maps import SelfMap
from mnemoscope.maps.differences import DifferenceLinearization

DENSE = 1024
"""States of up to this many entries: the Jacobian is formed, from two values for each entry."""

BASIS = 64
"""Vectors of a Krylov basis: products this inaccurate do not need more."""

POWERS = 6
"""Squarings of a matrix that is no more accurate than quotients are."""

ROUGH = 4
"""Smallest residuals that are reached, in errors of a product."""


def stepped_eigenvalues(
    f: SelfMap, Z: Float[Tensor, "n *shape"], k: int, *, max_products: int, seed: int
) -> LeadingValues:
    """Returns the `k` leading eigenvalues of the growth over visible lengths.

    A residual is at least the error of a product.
    """
    linear = DifferenceLinearization(f, Z, seed=seed)
    if f.size <= DENSE:
        return _rough(dense_eigenvalues(linear, k, residuals=True), linear, linear.products)

    def products_at(index: Tensor) -> Product:
        at = DifferenceLinearization(f, Z[index], seed=seed)
        return lambda V: at.jvp(V.reshape(-1, *f.shape)).flatten(1)

    found = leading_eigenvalues(
        products_at,
        Z.flatten(1),
        k=k,
        tol=ROUGH * linear.error,
        basis_size=max(BASIS, 3 * k),
        max_products=max_products,
        generator=torch.Generator().manual_seed(seed),
    )
    return _rough(found, linear, int(found.products.max()))


def stepped_spectrum(
    f: SelfMap, Z: Float[Tensor, "n *shape"], k: int, *, max_products: int = 2000, seed: int
) -> Spectrum:
    """Estimates the growth over visible lengths, without bounds."""
    with f.evaluating():
        found = stepped_eigenvalues(f, Z, k, max_products=max_products, seed=seed)
        upper = found.residual.new_full((len(Z),), torch.inf)
        if f.size <= DENSE:
            linear = DifferenceLinearization(f, Z, seed=seed)
            upper = _powers(linear.dense().double()) + linear.error
    residual = found.residual.double()
    return Spectrum(
        values=found.values.to(torch.complex128),
        residual=residual,
        condition=torch.full_like(residual, torch.nan),
        error_bound=torch.full_like(residual, torch.inf),
        upper=upper.double(),
        estimated=torch.ones(len(Z), dtype=torch.bool, device=Z.device),
        converged=torch.zeros_like(residual, dtype=torch.bool),
        products=found.products,
    )


def _powers(J: Float[Tensor, "n d d"]) -> Float[Tensor, " n"]:
    """Returns the least `||J^p||^(1/p)`, p = 1, 2, 4, …: a bound on the spectral radius."""
    best = torch.linalg.matrix_norm(J, 2)
    log_scale = torch.zeros_like(best)
    for doubling in range(1, POWERS + 1):
        norm = torch.linalg.matrix_norm(J).clamp_min(1e-300)
        J = J / norm[:, None, None]
        J, log_scale = J @ J, 2 * (log_scale + norm.log())
        grown = torch.linalg.matrix_norm(J).clamp_min(1e-300).log() + log_scale
        best = torch.minimum(best, (grown / 2**doubling).exp())
    return best


def stepped_singular_values(
    f: SelfMap, Z: Float[Tensor, "n *shape"], k: int, *, max_products: int, seed: int
) -> LeadingValues:
    """Returns the `k` leading singular values of the growth over visible lengths.

    Raises:
        MnemoscopeError: the states are so large that the Jacobian cannot be formed.
    """
    del max_products  # A matrix is formed from as many as it has columns.
    linear = DifferenceLinearization(f, Z, seed=seed)
    if f.size > DENSE:
        linear.vjp(Z)
    return _rough(dense_singular_values(linear, k, residuals=True), linear, linear.products)


def _rough(found: LeadingValues, linear: DifferenceLinearization, products: int) -> LeadingValues:
    residual = found.residual + linear.error
    return LeadingValues(
        values=found.values,
        residual=residual,
        converged=torch.isfinite(residual),
        products=torch.full((len(residual),), products, device=residual.device),
    )
