"""Bounded eigenvalues of Jacobians that are only multiplied with."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.linalg.arnoldi import Product, RitzValues, leading_eigenvalues
from mnemoscope.linalg.bounds import Spectrum
from mnemoscope.linalg.leading import basis_size, default_tol, flat
from mnemoscope.linalg.orthogonal import random_unit
from mnemoscope.maps import Linearization, SelfMap

GAP = 0.1
"""The first-order bound holds where it is below this share of the gap to the next value: the terms
of second order are then below about a tenth of it (Stewart & Sun, *Matrix Perturbation Theory*,
1990, section V.2)."""

MOST_POWERS = 16
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
    dtype: torch.dtype | None = None,
    tol: float | None = None,
    max_products: int = 2000,
    batch_size: int | None = None,
    seed: int = 0,
) -> Spectrum:
    """The leading eigenvalues at each state; see `mnemoscope.linalg.bounded.spectrum`."""
    f = f.to(dtype)
    Z = f.batch(Z)
    tol = tol if tol is not None else default_tol(f.dtype)
    held = 4 * basis_size(f.size, k) + 8 * k
    bytes_each = held * f.size * Z.element_size() + f.footprint.linearize
    size = batch_size or f.batch_size(bytes_each, largest=max(1, len(Z)))
    generator = torch.Generator().manual_seed(seed)
    with f.evaluating():
        parts = [
            _bounds(f, part, k, tol, max_products, generator)
            for part in (Z.split(size) if len(Z) else [Z])
        ]
    return Spectrum.joined(parts)


def _bounds(
    f: SelfMap, Z: Tensor, k: int, tol: float, max_products: int, generator: torch.Generator
) -> Spectrum:
    linear = f.linearize(Z)

    def search(transposed: bool) -> RitzValues:
        def products_at(index: Tensor) -> Product:
            here = linear if len(index) == len(Z) else f.linearize(Z[index])
            return flat(here.vjp if transposed else here.jvp, f.shape)

        return leading_eigenvalues(
            products_at,
            Z.flatten(1),
            k=k,
            tol=tol,
            basis_size=basis_size(f.size, k),
            max_products=max_products,
            generator=generator,
            vectors=True,
        )

    right = search(transposed=False)
    # Of the transpose the same values are found, from another start.
    other = search(transposed=f.reversible)
    rounding, extra = _rounding(linear, right, generator)
    condition = torch.full_like(right.residual, torch.nan)
    if f.reversible:
        condition = _condition(right, other, rounding)
    error = condition * (right.residual + rounding[:, None])
    error = torch.where(error <= GAP * _gap(right), error, torch.inf)
    error = torch.where(torch.isnan(right.values.abs()), torch.nan, error)
    missed = _missed(right, other, rounding)
    fields = {
        "values": (right.values, other.values),
        "residual": (right.residual, other.residual),
        "condition": (condition, torch.full_like(condition, torch.nan)),
        "error_bound": (error, torch.full_like(error, torch.inf)),
        "converged": (right.converged & torch.isfinite(error), torch.zeros_like(right.converged)),
    }
    chosen = {
        name: torch.where(missed[:, None], theirs, own) for name, (own, theirs) in fields.items()
    }
    leading = (chosen["values"].abs() + chosen["error_bound"])[:, 0]
    upper = torch.where(torch.isfinite(leading), leading, torch.inf).double()
    open_ = torch.isinf(upper) & torch.isfinite(right.values.abs()).all(1)
    row = open_.nonzero()[:, 0]
    made = 0
    if len(row):
        here = linear if len(row) == len(Z) else f.linearize(Z[row])
        steps = min(MOST_POWERS, max(1, max_products // PROBES))
        upper[row] = _power_estimate(here, steps, generator)
        made = PROBES * steps
    return Spectrum(
        values=chosen["values"].to(torch.complex128),
        residual=chosen["residual"].double(),
        condition=chosen["condition"].double(),
        error_bound=chosen["error_bound"].double(),
        upper=upper,
        estimated=open_,
        converged=chosen["converged"],
        products=right.products + other.products + extra + made * open_,
    )


def _gap(found: RitzValues) -> Float[Tensor, "n k"]:
    """From each value to the nearest other one, and to all that are smaller than those known."""
    values = torch.cat([found.values, found.next], dim=1)
    k = found.values.shape[1]
    distance = (found.values[:, :, None] - values[:, None, :]).abs()
    distance.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    gap = torch.nan_to_num(distance, nan=torch.inf, posinf=torch.inf).amin(2)
    d = found.vectors.shape[2] if found.vectors is not None else 0
    if values.shape[1] == d:
        return gap
    last = values[:, -1].abs() if values.shape[1] > k else values.abs().amin(1)
    return torch.minimum(gap, (found.values.abs() - last[:, None]).clamp_min(0))


def _condition(
    right: RitzValues, left: RitzValues, rounding: Float[Tensor, " n"]
) -> Float[Tensor, "n k"]:
    """`||x|| ||y|| / |y^H x|` with the left vector whose value is nearest; NaN where none is near.

    `left` holds vectors of the transpose, the conjugates of left ones.
    """
    assert right.vectors is not None
    assert left.vectors is not None
    distance, index = (right.values[:, :, None] - left.values[:, None, :]).abs().min(2)
    y = left.vectors.gather(1, index[:, :, None].expand_as(left.vectors))
    condition = 1 / (y * right.vectors).sum(2).abs()
    off = right.residual + left.residual.gather(1, index) + 2 * rounding[:, None]
    return torch.where(distance <= 2 * condition * off, condition, torch.nan)


def _missed(
    own: RitzValues, other: RitzValues, rounding: Float[Tensor, " n"]
) -> Bool[Tensor, " n"]:
    """Where the other search found a value that is larger by more than both residuals explain."""
    slack = own.residual[:, 0] + other.residual[:, 0] + 2 * rounding
    more = other.values.abs()[:, 0] - own.values.abs()[:, 0]
    # As far as an ill-conditioned value may be off, no search is better than the other.
    return more > (100 * slack).clamp_min(1e-3 * own.values.abs()[:, 0])


def _rounding(
    linear: Linearization, found: RitzValues, generator: torch.Generator
) -> tuple[Float[Tensor, " n"], int]:
    """Twice what a product is off by: how far `J (a + b)` is from `J a + J b`."""
    assert found.vectors is not None
    shape = linear.states.shape
    a = found.vectors[:, 0].real
    b = 0.7 * random_unit(a.shape, a, generator)
    together, first, second = (linear.jvp(v.reshape(shape)).flatten(1) for v in (a + b, a, b))
    defect = torch.linalg.vector_norm(together - first - second, dim=1)
    eps = torch.finfo(a.dtype).eps
    return 2 * defect + 2 * eps * torch.linalg.vector_norm(first, dim=1), 3


def _power_estimate(
    linear: Linearization, steps: int, generator: torch.Generator
) -> Float[Tensor, " n"]:
    """The least `(LIKELY rms ||J^p v||)^(1/p)` for Gaussian `v` and `p` up to `steps`.

    The mean of `||J^p v||^2` is the squared Frobenius norm of `J^p`, no less than its spectral
    norm's.
    """
    n, *shape = linear.states.shape
    d = torch.Size(shape).numel()
    best = linear.states.new_full((n,), torch.inf, dtype=torch.float64)
    logs = torch.zeros(PROBES, n, dtype=torch.float64, device=best.device)
    V = torch.randn(PROBES, n, d, generator=generator, dtype=torch.float64).to(linear.states)
    for p in range(1, steps + 1):
        V = torch.stack([linear.jvp(v.reshape(n, *shape)).flatten(1) for v in V])
        size = torch.linalg.vector_norm(V, dim=2)
        V = V / size.clamp_min(torch.finfo(V.dtype).tiny)[:, :, None]
        logs = logs + size.double().log()
        mean = (torch.logsumexp(2 * logs, dim=0) - torch.log(logs.new_tensor(PROBES))) / 2
        bound = ((mean + torch.log(logs.new_tensor(LIKELY))) / p).exp()
        best = torch.minimum(best, torch.nan_to_num(bound, nan=torch.inf))
        if bool((best < 1).all()):
            break
    return best
