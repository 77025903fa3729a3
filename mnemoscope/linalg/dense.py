"""Leading values from the Jacobian itself, where the state is so small that this is faster."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from mnemoscope.linalg.balancing import (
    balancing_exponents,
    power_of_two,
    rescaled,
    without_acyclic,
)
from mnemoscope.linalg.eigen import eigenpairs, eigenvalues
from mnemoscope.linalg.values import LeadingValues
from mnemoscope.maps import Linearization

DENSE_EIGEN_SIZE = 64
"""States of up to this many entries: forming `J` and all its eigenvalues beats Arnoldi."""

DENSE_SINGULAR_SIZE = 32
"""States of up to this many entries: forming `J` and all its singular values beats Golub-Kahan."""


def dense_eigenvalues(linear: Linearization, k: int, *, residuals: bool) -> LeadingValues:
    """Returns the `k` leading eigenvalues of each Jacobian; without `residuals` these are 0.

    Entries on no cycle are removed first: they move no eigenvalue, and a block triangular matrix
    with similar blocks has ill-conditioned ones (`mnemoscope.linalg.balancing`).
    """
    J, bad = _finite(linear.dense())
    J, _ = without_acyclic(J)
    if not residuals:
        values = eigenvalues(J)
        values = values.gather(1, _descending(values.abs(), k))
        return _solved(values, J.new_zeros(values.shape), bad, J)
    values, vectors = eigenpairs(J)
    order = _descending(values.abs(), k)
    values = values.gather(1, order)
    x = vectors.gather(2, order[:, None, :].expand(-1, J.shape[1], -1))
    residual = torch.linalg.vector_norm(J.to(x.dtype) @ x - x * values[:, None, :], dim=1)
    return _solved(values, residual, bad, J)


def balanced_eigenvalues(
    linear: Linearization, k: int, *, chunk: int
) -> tuple[Complex[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Computes eigenvalues as `dense_eigenvalues`, balanced, in float64, with residuals."""
    J, bad = _finite(linear.dense(chunk=chunk))
    dtype, device = J.dtype, J.device
    J, _ = without_acyclic(J.to("cpu" if device.type == "mps" else device).double())
    exponents = balancing_exponents(J)
    values, vectors = eigenpairs(rescaled(J, exponents))
    order = _descending(values.abs(), k)
    values = values.gather(1, order)
    x = vectors.gather(2, order[:, None, :].expand(-1, J.shape[1], -1))
    x = x * power_of_two(exponents)[:, :, None]
    defect = torch.linalg.vector_norm(J.to(x.dtype) @ x - x * values[:, None, :], dim=1)
    residual = (defect / torch.linalg.vector_norm(x, dim=1)).to(device, dtype)
    return _or_nan(values.to(device, dtype.to_complex()), bad), _or_nan(residual, bad)


def spectral_radii(A: Float[Tensor, "*n d d"]) -> Float[Tensor, "*n"]:
    """Returns the largest eigenvalue modulus of each matrix; NaN where an entry is not finite."""
    matrices, bad = _finite(A.flatten(0, -3))
    radii = eigenvalues(matrices).abs().amax(1)
    return torch.where(bad, torch.nan, radii).view(A.shape[:-2])


def dense_singular_values(linear: Linearization, k: int, *, residuals: bool) -> LeadingValues:
    """Returns the `k` leading singular values of each Jacobian; without `residuals` these are 0."""
    J, bad = _finite(linear.dense())
    if not residuals:
        values = torch.linalg.svdvals(J)[:, :k]
        return _solved(values, torch.zeros_like(values), bad, J)
    U, S, Vh = torch.linalg.svd(J)
    backward = J.mT @ U[:, :, :k] - Vh.mT[:, :, :k] * S[:, None, :k]
    return _solved(S[:, :k], torch.linalg.vector_norm(backward, dim=1), bad, J)


def _solved(values: Tensor, residual: Tensor, bad: Tensor, J: Tensor) -> LeadingValues:
    return LeadingValues(
        values=_or_nan(values, bad),
        residual=_or_nan(residual, bad),
        converged=torch.isfinite(residual) & torch.isfinite(values.abs()) & ~bad[:, None],
        products=torch.full((len(J),), J.shape[-1], device=J.device),
    )


def _descending(moduli: Tensor, k: int) -> Tensor:
    return moduli.argsort(dim=1, descending=True, stable=True)[:, :k]


def _finite(J: Tensor) -> tuple[Tensor, Tensor]:
    bad = ~torch.isfinite(J).flatten(1).all(1)
    return torch.where(bad[:, None, None], torch.zeros_like(J), J), bad


def _or_nan(values: Tensor, bad: Tensor) -> Tensor:
    return torch.where(bad[:, None], torch.full_like(values, torch.nan), values)
