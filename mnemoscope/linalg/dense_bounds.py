"""Bounded eigenvalues from the matrix itself, formed in float64."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Unpack

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from mnemoscope.linalg.arnoldi import Product
from mnemoscope.linalg.balancing import (
    balancing_exponents,
    power_of_two,
    rescaled,
    without_acyclic,
)
from mnemoscope.linalg.eigen import eigenvalues
from mnemoscope.linalg.enclosure import enclose
from mnemoscope.linalg.leading import Settings, SpectrumOptions
from mnemoscope.linalg.powers import power_bounds
from mnemoscope.linalg.product_bounds import GAP
from mnemoscope.linalg.values import Spectrum
from mnemoscope.maps import Linearization, SelfMap
from mnemoscope.maps.linearization import ChainLinearization

NARROW = 1e-6
"""Bounds wider than this share of the leading value, or than the root of the entries' error, are
worth a second solve, of the balanced matrix."""

MIN_TESTED_SIZE = 32
"""Size of a matrix below which enclosing it is as fast as testing whether it expands."""

MIN_TESTED = 4
"""Number of matrices below which the same holds."""

GROWN = 8
"""Steps of the power method after which a matrix that expands shows it."""

NARROW_UPPER = 1e-3
"""Relative excess of the bound over the radius above which powers are formed as well."""


def dense_bounds(
    f: SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int,
    *,
    solve: "Solver | None" = None,
    **options: Unpack[SpectrumOptions],
) -> Spectrum:
    """Encloses the leading eigenvalues at each state; see `mnemoscope.linalg.bounded.spectrum`.

    Of a fully connected network `J = B A` through its narrowest layer, all values but zeros are
    those of the small matrix `A B`. `solve` solves the matrices (default: `enclosed`).
    """
    settings = Settings(**options)
    f, Z, linearize = _prepared(f, Z, settings.dtype)
    tol = settings.tol_for(torch.float64)
    m = f.narrowest
    # Eigenvectors, their inverse and the enclosure are complex matrices; a dozen are held at once.
    bytes_each = 40 * 8 * m * m + 2 * min(m, 64) * f.footprint.linearize
    with f.evaluating():
        parts = [
            _bounds(f, linearize(part), k, tol, settings.seed, solve or enclosed)
            for part in settings.parts(f, Z, bytes_each)
        ]
    return Spectrum.joined(parts)


def _prepared(
    f: SelfMap, Z: Tensor, dtype: torch.dtype | None
) -> tuple[SelfMap, Tensor, Callable[[Tensor], Linearization]]:
    """Returns the map and states in the dtype of the matrix, and how to linearize."""
    layers = f.plain_layers()
    if layers is None:
        f = in_float64(f) if dtype is None else f.to(dtype)
        return f, f.batch(Z), f.linearize
    # A network of its own in another dtype would take longer to make than to linearize.
    place = torch.device("cpu" if f.device.type == "mps" else f.device), dtype or torch.float64
    own = [layer.to(*place) for layer in layers]
    return f, f.batch(Z).to(*place), lambda states: ChainLinearization(own, states)


def in_float64(f: SelfMap) -> SelfMap:
    """Returns the map in float64 if it can be evaluated so, else as it is."""
    if f.dtype == torch.float64:
        return f
    try:
        g = f.to(torch.float64)
        g.check_output()
    except Exception:
        # A callable with tensors of its own dtype, or a device without float64.
        return f
    return g


def _bounds(
    f: SelfMap, linear: Linearization, k: int, tol: float, seed: int, solve: "Solver"
) -> Spectrum:
    first, small = 0, linear
    if isinstance(linear, ChainLinearization) and (first := linear.narrowest):
        small = linear.turned(first)
    J, rounding = _matrix(f, small, seed)
    finite = torch.isfinite(J).flatten(1).all(1)
    solved = solve(torch.where(finite[:, None, None], J, 0), rounding, min(k, J.shape[-1]))
    x, y, residual = solved.right, solved.left, solved.residual
    if first:
        assert isinstance(linear, ChainLinearization)
        x, y, residual = _lifted(linear, first, solved)
    size = torch.linalg.vector_norm(x, dim=2) * torch.linalg.vector_norm(y, dim=2)
    overlap = solved.overlap.abs() * (solved.values.abs() if first else 1)
    condition = torch.nan_to_num(size / overlap, nan=torch.inf)
    leading = solved.values.abs()[:, :1]
    floor = 50 * torch.finfo(torch.float64).eps * torch.linalg.matrix_norm(J)[:, None]
    found = {
        "values": solved.values,
        "residual": residual,
        "condition": condition,
        "error_bound": solved.error,
        "converged": (solved.residual <= torch.maximum(tol * leading, floor))
        & torch.isfinite(solved.error),
    }
    missing = k - J.shape[-1]
    if missing > 0:
        # The rank is no larger than the narrowest layer: the rest of the values are zeros.
        found = {name: torch.nn.functional.pad(part, (0, missing)) for name, part in found.items()}
        found["condition"][:, -missing:] = torch.nan
        found["converged"][:, -missing:] = finite[:, None]
    for name, part in found.items():
        part[~finite] = False if name == "converged" else torch.nan
    return Spectrum(
        **found,
        upper=torch.where(finite, solved.upper, torch.inf),
        estimated=torch.zeros_like(finite),
        products=torch.full((len(J),), small.products, device=J.device),
    )


def _matrix(f: SelfMap, linear: Linearization, seed: int) -> tuple[Tensor, Tensor]:
    """Returns the matrices in float64, and the relative error of entries: twice that of a product.

    A random vector is multiplied with the map's Jacobian at once and with its columns.
    """
    n, *shape = linear.states.shape
    d = torch.Size(shape).numel()
    together = f.batch_size(max(1, f.footprint.linearize), largest=n * d)
    J = linear.dense(chunk=max(1, min(d, together // max(1, n))))
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(d, generator=generator, dtype=torch.float64).to(J)
    product = linear.jvp(v.expand(n, d).reshape(linear.states.shape)).flatten(1)
    device = "cpu" if J.device.type == "mps" else J.device
    J, v, product = (part.to(device).to(torch.float64) for part in (J, v, product))
    missed = torch.linalg.vector_norm(J @ v - product, dim=1)
    rounding = 2 * missed / torch.linalg.vector_norm(J.abs() @ v.abs(), dim=1)
    return J, torch.nan_to_num(rounding, nan=0.0, posinf=0.0)


@dataclass(frozen=True)
class Solved:
    """Leading eigenvalues of matrices, `k` for each.

    Attributes:
        values: `(n, k)`.
        right: `(n, k, d)`, right eigenvectors.
        left: `(n, k, d)`, left ones, for `y J = theta y`.
        overlap: `(n, k)`, `y x`.
        defect: `(n, k, d)`, `J x - theta x`.
        error: `(n, k)`, bound on the error of the value.
        upper: `(n,)`, bound on the spectral radius.
    """

    values: Complex[Tensor, "n k"]
    right: Complex[Tensor, "n k d"]
    left: Complex[Tensor, "n k d"]
    overlap: Complex[Tensor, "n k"]
    defect: Complex[Tensor, "n k d"]
    error: Float[Tensor, "n k"]
    upper: Float[Tensor, " n"]

    @property
    def residual(self) -> Float[Tensor, "n k"]:
        """The length of the defect for a unit eigenvector."""
        size = torch.linalg.vector_norm(self.right, dim=2)
        return torch.linalg.vector_norm(self.defect, dim=2) / size


Solver = Callable[[Float[Tensor, "n d d"], Float[Tensor, " n"], int], Solved]
"""A solver: matrices, the relative error of their entries, and the number of values wanted."""


def enclosed_unless_expanding(
    J: Float[Tensor, "n d d"], rounding: Float[Tensor, " n"], k: int
) -> Solved:
    """Solves as `enclosed`, except for matrices that plainly expand.

    These have an eigenvalue above 1 by more than its first-order error bound, `condition (residual
    + rounding)`; no others are enclosed, and there is no bound on the radius.
    """
    if k > 1 or J.shape[-1] < MIN_TESTED_SIZE:
        return enclosed(J, rounding, k)
    v = torch.ones_like(J[:, :, :1])
    for _ in range(GROWN):
        v = J @ (v / torch.linalg.vector_norm(v, dim=1, keepdim=True))
    rows = (torch.linalg.vector_norm(v, dim=1)[:, 0] > 1).nonzero()[:, 0]
    if len(rows) < MIN_TESTED:
        return enclosed(J, rounding, k)
    leading = _leading(J[rows], rounding[rows])
    plain = leading.values.abs()[:, 0] - leading.error[:, 0] > 1
    left = torch.ones_like(rounding, dtype=torch.bool)
    left[rows[plain]] = False
    rest = left.nonzero()[:, 0]
    exact = enclosed(J[rest], rounding[rest], k) if len(rest) else None
    found: dict[str, Tensor] = {}
    for field in fields(Solved):
        part = getattr(leading, field.name)
        found[field.name] = part.new_empty(len(J), *part.shape[1:])
        found[field.name][rows[plain]] = part[plain]
        if exact is not None:
            found[field.name][rest] = getattr(exact, field.name)
    return Solved(**found)


def _leading(J: Tensor, rounding: Tensor) -> Solved:
    """Bounds the leading eigenvalue of each matrix to first order; infinite where that fails."""
    every = eigenvalues(J)
    moduli, first = every.abs().max(1, keepdim=True)
    value = every.gather(1, first)
    right, left = _eigenvectors(J, value)
    overlap = (left * right).sum(2)
    defect = right @ J.mT.to(right.dtype) - value[:, :, None] * right
    size, other = (torch.linalg.vector_norm(part, dim=2) for part in (right, left))
    residual = torch.linalg.vector_norm(defect, dim=2) / size
    norm = torch.linalg.matrix_norm(J)[:, None]
    moved = residual + (rounding[:, None] + torch.finfo(J.dtype).eps * J.shape[-1]) * norm
    error = size * other / overlap.abs() * moved
    gap = (every - value).abs().scatter(1, first, torch.inf).amin(1, keepdim=True)
    error = torch.where(error <= GAP * gap, error, torch.inf)
    upper = torch.full_like(moduli[:, 0], torch.inf)
    return Solved(value, right, left, overlap, defect, error, upper)


def enclosed(J: Float[Tensor, "n d d"], rounding: Float[Tensor, " n"], k: int) -> Solved:
    """Solves matrices: all eigenvalues of each are enclosed, and `k` returned."""
    A, cut = without_acyclic(J)
    found = enclose(A, rounding, k)
    values, right, left = found.values[:, :k], found.right[:, :, :k].mT, found.left[:, :k]
    error, upper = found.error, found.upper
    leading = values.abs()[:, 0]
    width = rounding.sqrt().clamp_min(NARROW) * leading
    wide = (upper > leading + width) | (error.amax(1) > width)
    row = wide.nonzero()[:, 0]
    if len(row):
        values, right, left, error, upper = (
            part.clone() for part in (values, right, left, error, upper)
        )
        exponents = balancing_exponents(A[row])
        B = rescaled(A[row], exponents)
        found = enclose(B, rounding[row], k)
        better = (found.upper < upper[row]) & ~_nearly(upper[row], found.upper)
        scale = power_of_two(exponents[better])[:, None]
        to = row[better]
        values[to] = found.values[better, :k]
        right[to] = found.right[better, :, :k].mT * scale
        left[to] = found.left[better, :k] / scale
        error[to] = found.error[better]
        upper[to] = found.upper[better]
        leading = values[row].abs()[:, 0]
        goal = (1 + NARROW_UPPER) * leading
        high = upper[row] > goal
        if bool(high.any()):
            off = rounding[row] * torch.linalg.matrix_norm(B)
            bound = power_bounds(B[high], off[high], goal[high])
            upper[row[high]] = torch.minimum(upper[row[high]], bound)
    # Every eigenvalue is in the disc of that radius around 0.
    error = torch.minimum(error, values.abs() + upper[:, None])
    overlap = (left * right).sum(2)
    # The vectors of a matrix that was cut, or has no inverse, are not those of the matrix itself.
    other = (cut | ~torch.isfinite(left).flatten(1).all(1)).nonzero()[:, 0]
    if len(other):
        right, left = right.clone(), left.clone()
        right[other], left[other] = _eigenvectors(J[other], values[other])
        overlap[other] = (left[other] * right[other]).sum(2)
    defect = right @ J.mT.to(right.dtype) - values[:, :, None] * right
    return Solved(values, right, left, overlap, defect, error, upper)


def _nearly(a: Tensor, b: Tensor) -> Bool[Tensor, " n"]:
    return (a - b).abs() <= 0.5 * NARROW * b


def _eigenvectors(
    J: Float[Tensor, "n d d"], values: Complex[Tensor, "n k"]
) -> tuple[Complex[Tensor, "n k d"], Complex[Tensor, "n k d"]]:
    """Computes right and left vectors for given values by two steps of inverse iteration.

    Where these overflow (a long Jordan block), those of the smallest singular value.
    """
    n, d = J.shape[:2]
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(d, 1, generator=generator, dtype=torch.float64).to(values)
    eps = torch.finfo(J.dtype).eps
    # A little away from the value, where the matrix is not singular.
    nudge = eps * torch.linalg.matrix_norm(J).clamp_min(torch.finfo(J.dtype).tiny / eps)
    eye = torch.eye(d, dtype=values.dtype, device=J.device)
    pairs = []
    for value in values.unbind(1):
        shifted = J - (value + nudge)[:, None, None] * eye
        for matrix in (shifted, shifted.mT):
            x = start.expand(n, d, 1)
            for _ in range(2):
                x = torch.linalg.solve_ex(matrix, x)[0]
                x = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
            lost = ~torch.isfinite(x).flatten(1).all(1)
            if bool(lost.any()):
                x[lost] = torch.linalg.svd(matrix[lost]).Vh[:, -1:].mH
            pairs.append(x[:, :, 0])
    return torch.stack(pairs[::2], 1), torch.stack(pairs[1::2], 1)


def _lifted(
    linear: ChainLinearization, first: int, solved: Solved
) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors of `J = B A` and their residuals, from those of `A B`: `B x`, `y A`, `B (defect)`."""
    B, A = linear.ending(first), linear.beginning(first)
    x, defect = (_each(B.jvp, part, B.states) for part in (solved.right, solved.defect))
    y = _each(A.vjp, solved.left, A.states)
    return x, y, torch.linalg.vector_norm(defect, dim=2) / torch.linalg.vector_norm(x, dim=2)


def _each(product: Product, V: Complex[Tensor, "n k d"], like: Tensor) -> Complex[Tensor, "n k e"]:
    parts = [(v.real.to(like), v.imag.to(like)) for v in V.unbind(1)]
    images = [torch.complex(product(real), product(imag)) for real, imag in parts]
    return torch.stack(images, 1).to(V)
