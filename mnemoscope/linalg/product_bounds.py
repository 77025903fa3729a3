"""Bounded eigenvalues of Jacobians from products alone."""

from typing import Unpack

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.linalg.arnoldi import Product, RitzValues, leading_eigenvalues
from mnemoscope.linalg.leading import Settings, SpectrumOptions, basis_size, flat, reduced
from mnemoscope.linalg.orthogonal import random_unit
from mnemoscope.linalg.values import Spectrum
from mnemoscope.maps import Linearization, SelfMap

GAP = 0.1
"""The first-order bound holds where it is below this share of the gap to the next value: the terms
of second order are then below about a tenth of it (Stewart & Sun, *Matrix Perturbation Theory*,
1990, section V.2)."""

LEFT_TOL = 1e-3
"""Relative residual of a left vector that only shows whether its value is well-conditioned."""

MAX_POWERS = 16
"""Steps of the power estimate."""

PROBES = 4
"""Random vectors of the power estimate."""

LIKELY = 3.0
"""The root mean square over the probes of `||J^p v||` is below the spectral norm of `J^p` by more
than this factor in 2% of cases at worst: chi-square of 4 degrees of freedom, below 4/9."""


def product_bounds(
    f: SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int,
    *,
    thorough: bool = True,
    **options: Unpack[SpectrumOptions],
) -> Spectrum:
    """Returns the leading eigenvalues at each state; see `mnemoscope.linalg.bounded.spectrum`.

    With `thorough` off, only the leading one gets a condition number, from a left vector that is no
    more accurate than that takes, and nothing is estimated from powers.
    """
    settings = Settings(**options)
    f = f.to(settings.dtype)
    Z = f.batch(Z)
    held = 4 * basis_size(f.size, k) + 8 * k
    bytes_each = held * f.size * Z.element_size() + f.footprint.linearize
    generator = torch.Generator().manual_seed(settings.seed)
    with f.evaluating():
        parts = [
            _bounds(f, part, k, settings, generator, thorough=thorough)
            for part in settings.parts(f, Z, bytes_each)
        ]
    return Spectrum.joined(parts)


def _bounds(
    f: SelfMap,
    Z: Tensor,
    k: int,
    settings: Settings,
    generator: torch.Generator,
    *,
    thorough: bool,
) -> Spectrum:
    tol, max_products = settings.tol_for(f.dtype), settings.max_products
    linearized, like, shape = reduced(f, Z, k)
    linear = linearized(Z)

    def search(transposed: bool, k: int, tol: float) -> RitzValues:
        def products_at(index: Tensor) -> Product:
            here = linear if len(index) == len(Z) else linearized(Z[index])
            return flat(here.vjp if transposed else here.jvp, shape)

        return leading_eigenvalues(
            products_at,
            like,
            k=k,
            tol=tol,
            basis_size=basis_size(like.shape[1], k),
            max_products=max_products,
            generator=generator,
            vectors=True,
        )

    right = search(False, k, tol)
    # Of the transpose the same values are found, from another start.
    other = search(f.reversible, *((k, tol) if thorough else (1, max(tol, LEFT_TOL))))
    rounding = _rounding(linear, right, shape, generator)
    condition, error = _errors(right, other if f.reversible else None, rounding, like.shape[1])
    known = torch.isfinite(right.values.abs())
    values, residual, converged = right.values, right.residual, right.converged
    # Values that only the other search found have no vector on this side.
    row = _missed(right, other, rounding).nonzero()[:, 0]
    width = other.values.shape[1]
    values[row, :width], residual[row, :width] = other.values[row], other.residual[row]
    condition[row], error[row] = torch.nan, torch.inf
    upper = (values.abs() + error)[:, 0].double()
    upper = torch.where(torch.isfinite(upper), upper, torch.inf)
    estimated = torch.isinf(upper) & known[:, 0] & thorough
    row, steps = estimated.nonzero()[:, 0], min(MAX_POWERS, max(1, max_products // PROBES))
    if len(row):
        here = linear if len(row) == len(Z) else linearized(Z[row])
        upper[row] = _power_estimate(here, steps, shape, generator)
    return Spectrum(
        values=values.to(torch.complex128),
        residual=residual.double(),
        condition=condition.double(),
        error_bound=error.double(),
        upper=upper,
        estimated=estimated,
        converged=converged & torch.isfinite(error),
        products=right.products + other.products + 3 + PROBES * steps * estimated,
    )


def _errors(
    right: RitzValues, left: RitzValues | None, rounding: Float[Tensor, " n"], d: int
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Computes condition numbers and first-order error bounds; NaN and infinity: none."""
    gap = _gap(right, d)
    condition = bound = torch.full_like(right.residual, torch.nan)
    if left is not None:
        condition, bound = _conditions(right, left, gap, rounding)
    error = bound * (right.residual + rounding[:, None])
    error = torch.where(error <= GAP * gap, error, torch.inf)
    return condition, torch.where(torch.isfinite(right.values.abs()), error, torch.nan)


def _gap(found: RitzValues, d: int) -> Float[Tensor, "n k"]:
    """Computes the gap from each value to the nearest other, and to all below those known."""
    values = torch.cat([found.values, found.next], dim=1)
    distance = (found.values[:, :, None] - values[:, None, :]).abs()
    distance.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    gap = torch.nan_to_num(distance, nan=torch.inf, posinf=torch.inf).amin(2)
    if values.shape[1] == d:
        return gap
    smallest = values.abs().amin(1, keepdim=True)
    unseen = torch.where(torch.isfinite(values.abs()).all(1, keepdim=True), smallest, torch.inf)
    return torch.minimum(gap, (found.values.abs() - unseen).clamp_min(0))


def _conditions(
    right: RitzValues, left: RitzValues, gap: Float[Tensor, "n k"], rounding: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Computes `||x|| ||y|| / |y^H x|` with the left vector of the nearest value; and a bound.

    A vector is off by about its residual over the gap. NaN where no left vector is near.
    """
    assert right.vectors is not None
    assert left.vectors is not None
    # The transpose is real: with a pair its conjugate is known.
    known = torch.cat([left.values, left.values.conj()], 1)
    vectors = torch.cat([left.vectors, left.vectors.conj()], 1)
    residual = torch.cat([left.residual, left.residual], 1)
    distance, index = (right.values[:, :, None] - known[:, None, :]).abs().min(2)
    # A vector of the transpose is the conjugate of a left one.
    y = vectors.gather(1, index[:, :, None].expand(-1, -1, vectors.shape[2]))
    overlap = (y * right.vectors).sum(2).abs()
    off = right.residual + residual.gather(1, index) + 2 * rounding[:, None]
    bound = 1 / (overlap - off / gap).clamp_min(0)
    near = distance <= torch.minimum(2 * bound * off, 0.5 * gap)
    return torch.where(near, 1 / overlap, torch.nan), torch.where(near, bound, torch.inf)


def _missed(
    own: RitzValues, other: RitzValues, rounding: Float[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """Selects states where the other search found a value larger by more than the residuals."""
    slack = own.residual[:, 0] + other.residual[:, 0] + 2 * rounding
    more = other.values.abs()[:, 0] - own.values.abs()[:, 0]
    # As far as an ill-conditioned value may be off, no search is better than the other.
    return more > (100 * slack).clamp_min(1e-3 * own.values.abs()[:, 0])


def _rounding(
    linear: Linearization, found: RitzValues, shape: tuple[int, ...], generator: torch.Generator
) -> Float[Tensor, " n"]:
    """Estimates twice the error of a product: the distance of `J (a + b)` from `J a + J b`."""
    assert found.vectors is not None
    a = found.vectors[:, 0].real
    b = 0.7 * random_unit(a.shape, a, generator)
    product = flat(linear.jvp, shape)
    together, first, second = (product(v) for v in (a + b, a, b))
    defect = torch.linalg.vector_norm(together - first - second, dim=1)
    eps = torch.finfo(a.dtype).eps
    return 2 * defect + 2 * eps * torch.linalg.vector_norm(first, dim=1)


def _power_estimate(
    linear: Linearization, steps: int, shape: tuple[int, ...], generator: torch.Generator
) -> Float[Tensor, " n"]:
    """Returns the least `(LIKELY rms ||J^p v||)^(1/p)` for Gaussian `v` and `p` up to `steps`.

    The mean of `||J^p v||^2` is the squared Frobenius norm of `J^p`, no less than its spectral
    norm's.
    """
    n, d = len(linear.states), torch.Size(shape).numel()
    product = flat(linear.jvp, shape)
    best = linear.states.new_full((n,), torch.inf, dtype=torch.float64)
    logs = torch.zeros(PROBES, n, dtype=torch.float64, device=best.device)
    V = torch.randn(PROBES, n, d, generator=generator, dtype=torch.float64).to(linear.states)
    for p in range(1, steps + 1):
        V = torch.stack([product(v) for v in V])
        size = torch.linalg.vector_norm(V, dim=2)
        V = V / size.clamp_min(torch.finfo(V.dtype).tiny)[:, :, None]
        logs = logs + size.double().log()
        mean = (torch.logsumexp(2 * logs, dim=0) - torch.log(logs.new_tensor(PROBES))) / 2
        bound = ((mean + torch.log(logs.new_tensor(LIKELY))) / p).exp()
        best = torch.minimum(best, torch.nan_to_num(bound, nan=torch.inf))
        if bool((best < 1).all()):
            break
    return best
