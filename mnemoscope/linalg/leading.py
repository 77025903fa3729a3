"""Spectra and norms of a map's Jacobian at many states: the public functions."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack, overload

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.given import given_examples
from mnemoscope.linalg.arnoldi import ROUNDINGS, Product, leading_eigenvalues
from mnemoscope.linalg.dense import (
    DENSE_EIGEN_SIZE,
    DENSE_SINGULAR_SIZE,
    balanced_eigenvalues,
    dense_eigenvalues,
    dense_singular_values,
)
from mnemoscope.linalg.golub_kahan import leading_singular_values
from mnemoscope.linalg.stepped import stepped_eigenvalues, stepped_singular_values
from mnemoscope.maps import (
    Linearization,
    SelfMap,
    check_derivatives,
    check_growth,
    image_space,
)
from mnemoscope.maps.chain import ChainLinearization
from mnemoscope.maps.self_map import Stage, as_self_map

WHOLE_SPACE = 512
"""States of up to this many entries: a Krylov basis may grow to all of the space, so that even a
spectrum whose moduli are all alike is found."""


SENSITIVE = 1e-2
"""Where its residual and rounding may have moved the leading value by this share of it, and the
state is no larger than `WHOLE_SPACE`, the matrix is formed, balanced and solved in float64."""


class SpectrumOptions(TypedDict, total=False):
    """What every spectral function takes besides its map and states.

    Attributes:
        dtype: The dtype to compute in (default: the map's).
        tol: Largest residual, relative to the leading value, of a converged one; default 3e-6 in
            float32 and 1e-10 in float64. A singular value is within its residual of a true one; an
            eigenvalue's error is about its condition number times its residual.
        max_products: Products for each state after which a value counts as not converged
            (default 2000).
        batch_size: States worked on at once (default: what fits into a quarter of free memory).
        seed: Of the first Krylov vectors (default 0).
    """

    dtype: torch.dtype | None
    tol: float | None
    max_products: int
    batch_size: int | None
    seed: int


@dataclass(frozen=True)
class SpectrumInfo:
    """How far the values of a spectrum can be trusted.

    Attributes:
        residual: `(n, k)`, norm of `J x - theta x` (of `J^T u - s v` for singular values).
        converged: `(n, k)`, whether the residual met the tolerance.
        products: `(n,)` Jacobian-vector products made for each state (dense: `d`).
    """

    residual: Float[Tensor, "n k"]
    converged: Bool[Tensor, "n k"]
    products: Int[Tensor, " n"]


class ConvergenceWarning(UserWarning):
    """Some values did not reach the tolerance; `return_info=True` tells which."""


@overload
def jacobian_spectrum(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = ...,
    *,
    return_info: Literal[False] = ...,
    **options: Unpack[SpectrumOptions],
) -> Complex[Tensor, "n k"]: ...
@overload
def jacobian_spectrum(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = ...,
    *,
    return_info: Literal[True],
    **options: Unpack[SpectrumOptions],
) -> tuple[Complex[Tensor, "n k"], SpectrumInfo]: ...
def jacobian_spectrum(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = 6,
    *,
    return_info: bool = False,
    **options: Unpack[SpectrumOptions],
) -> Complex[Tensor, "n k"] | tuple[Complex[Tensor, "n k"], SpectrumInfo]:
    """The `k` leading eigenvalues of the Jacobian of `f` at each state, largest modulus first.

    Matrix-free (thick-restarted Arnoldi, `mnemoscope.linalg.arnoldi`); from the dense matrix where
    `d` is so small that this is faster. For a fully connected network with few units in its last
    hidden layer, in coordinates of the space it maps into (`mnemoscope.maps.image_space`). Memory:
    about `130 d` entries a state (`2 d^2` for `d` up to 512) and the map's own.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the states.
        k: How many eigenvalues, at most `d`.
        return_info: Also return a `SpectrumInfo`: residuals, products, converged.
        **options: See `SpectrumOptions`.

    Raises:
        MnemoscopeError: `Z` is not a batch of states, or `k` is not between 1 and `d`.

    Warns:
        ConvergenceWarning: some value did not converge, and `return_info` is off.

    Example:
        >>> import torch
        >>> A = torch.tensor([[0.0, -2.0], [2.0, 0.0]])
        >>> f = SelfMap(lambda z: z @ A.T, shape=(2,))
        >>> jacobian_spectrum(f, torch.zeros(1, 2), k=2).abs().round(decimals=3)
        tensor([[2., 2.]])
    """
    values, info = _solve(_eigenvalues, f, Z, k, residuals=return_info, **options)
    return (values, info) if return_info else _trusted(values, info)


@overload
def jacobian_singular_values(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = ...,
    *,
    return_info: Literal[False] = ...,
    **options: Unpack[SpectrumOptions],
) -> Float[Tensor, "n k"]: ...
@overload
def jacobian_singular_values(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = ...,
    *,
    return_info: Literal[True],
    **options: Unpack[SpectrumOptions],
) -> tuple[Float[Tensor, "n k"], SpectrumInfo]: ...
def jacobian_singular_values(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = 6,
    *,
    return_info: bool = False,
    **options: Unpack[SpectrumOptions],
) -> Float[Tensor, "n k"] | tuple[Float[Tensor, "n k"], SpectrumInfo]:
    """The `k` leading singular values of the Jacobian of `f` at each state, largest first.

    Matrix-free (`mnemoscope.linalg.golub_kahan`), dense where `d` is small. Arguments, errors and
    warnings as in `jacobian_spectrum`.
    """
    values, info = _solve(_singular_values, f, Z, k, residuals=return_info, **options)
    return (values, info) if return_info else _trusted(values, info)


@overload
def spectral_radius(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    return_info: Literal[False] = ...,
    **options: Unpack[SpectrumOptions],
) -> Float[Tensor, " n"]: ...
@overload
def spectral_radius(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    return_info: Literal[True],
    **options: Unpack[SpectrumOptions],
) -> tuple[Float[Tensor, " n"], SpectrumInfo]: ...
def spectral_radius(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    return_info: bool = False,
    **options: Unpack[SpectrumOptions],
) -> Float[Tensor, " n"] | tuple[Float[Tensor, " n"], SpectrumInfo]:
    """The largest eigenvalue modulus of the Jacobian of `f` at each state, `(n,)`.

    Below 1 at a fixed point, the fixed point attracts. Arguments, errors and warnings as in
    `jacobian_spectrum`. No error bound is computed: where the Jacobian is far from normal, a value
    with a tiny residual may be wrong. `mnemoscope.spectrum` bounds it.
    """
    values, info = _solve(_eigenvalues, f, Z, 1, residuals=return_info, **options)
    radius = values.abs()[:, 0]
    return (radius, info) if return_info else _trusted(radius, info)


@overload
def operator_norm(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    return_info: Literal[False] = ...,
    **options: Unpack[SpectrumOptions],
) -> Float[Tensor, " n"]: ...
@overload
def operator_norm(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    return_info: Literal[True],
    **options: Unpack[SpectrumOptions],
) -> tuple[Float[Tensor, " n"], SpectrumInfo]: ...
def operator_norm(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    *,
    return_info: bool = False,
    **options: Unpack[SpectrumOptions],
) -> Float[Tensor, " n"] | tuple[Float[Tensor, " n"], SpectrumInfo]:
    """The largest singular value of the Jacobian of `f` at each state, `(n,)`.

    Below 1, one step brings any two states nearby closer together. Arguments, errors and warnings
    as in `jacobian_spectrum`.
    """
    values, info = _solve(_singular_values, f, Z, 1, residuals=return_info, **options)
    return (values[:, 0], info) if return_info else _trusted(values[:, 0], info)


def check_count(f: SelfMap, k: int) -> None:
    """Checks that the Jacobian has so many values.

    Raises:
        MnemoscopeError: it has not.
    """
    if not 1 <= k <= f.size:
        raise MnemoscopeError(
            f"k={k} values of a {f.size} × {f.size} Jacobian",
            expected=f"k between 1 and {f.size}",
            todo="ask for fewer",
        )


def basis_size(d: int, k: int) -> int:
    """Vectors of a Krylov basis for `k` values of a `d × d` matrix."""
    return d if d <= WHOLE_SPACE else max(64, 3 * k)


def default_tol(dtype: torch.dtype) -> float:
    """The largest relative residual of a converged value."""
    return 3e-6 if dtype == torch.float32 else 1e-10


Solver = Callable[..., tuple[Tensor, SpectrumInfo]]


def _solve(
    solver: Solver,
    f: Stage | SelfMap,
    Z: Tensor,
    k: int,
    *,
    residuals: bool,
    dtype: torch.dtype | None = None,
    tol: float | None = None,
    max_products: int = 2000,
    batch_size: int | None = None,
    seed: int = 0,
) -> tuple[Tensor, SpectrumInfo]:
    """Runs a solver over the states in batches that fit into memory."""
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:]).to(dtype)
    Z = f.batch(Z)
    check_derivatives(f, Z)
    check_growth(f, Z)
    check_count(f, k)
    if f.differentiable and f.by_values:
        return _of_steps(solver, f, Z, k, max_products=max_products, seed=seed)
    basis = basis_size(f.size, k)
    tol = tol if tol is not None else default_tol(f.dtype)
    entries = 3 * f.size * max(2 * basis, f.size if f.size <= DENSE_EIGEN_SIZE else 0)
    size = batch_size or f.batch_size(
        entries * Z.element_size() + f.footprint.linearize, largest=max(1, len(Z))
    )
    generator = torch.Generator().manual_seed(seed)
    with f.evaluating():
        parts = [
            solver(f, part, k, tol, basis, max_products, generator, residuals)
            for part in (Z.split(size) if len(Z) else [Z])
        ]
    values = torch.cat([part for part, _ in parts])
    return values, SpectrumInfo(
        residual=torch.cat([info.residual for _, info in parts]),
        converged=torch.cat([info.converged for _, info in parts]),
        products=torch.cat([info.products for _, info in parts]),
    )


def _of_steps(
    solver: Solver, f: SelfMap, Z: Tensor, k: int, *, max_products: int, seed: int
) -> tuple[Tensor, SpectrumInfo]:
    """Of a map whose values come in steps: the growth over visible lengths."""
    with f.evaluating():
        if solver is _eigenvalues:
            found = stepped_eigenvalues(f, Z, k, max_products=max_products, seed=seed)
        else:
            found = stepped_singular_values(f, Z, k, seed=seed)
    values, residual, products = found
    return values, SpectrumInfo(
        residual=residual,
        converged=torch.isfinite(residual),
        products=torch.full((len(Z),), products, device=Z.device),
    )


def _eigenvalues(
    f: SelfMap,
    Z: Tensor,
    k: int,
    tol: float,
    basis: int,
    max_products: int,
    generator: torch.Generator,
    residuals: bool,
) -> tuple[Tensor, SpectrumInfo]:
    linearized, like, shape = reduced(f, Z, k)
    size = like.shape[1]
    if size <= DENSE_EIGEN_SIZE:
        return _dense(*dense_eigenvalues(linearized(Z), k, residuals=residuals), size)
    found = leading_eigenvalues(
        lambda index: flat(linearized(Z[index]).jvp, shape),
        like,
        k=k,
        tol=tol,
        basis_size=size if size <= WHOLE_SPACE else basis,
        max_products=max_products,
        generator=generator,
    )
    values, info = found.values, SpectrumInfo(found.residual, found.converged, found.products)
    # What residual and rounding may have moved a value by, to first order.
    floor = ROUNDINGS * torch.finfo(like.dtype).eps * found.image_norm
    moved = found.condition[:, 0] * (found.residual[:, 0] + floor)
    row = (info.converged.all(1) & (moved > SENSITIVE * values[:, 0].abs())).nonzero()[:, 0]
    if len(row) and size <= WHOLE_SPACE:
        chunk = f.batch_size(f.footprint.linearize, largest=len(row) * size) // len(row)
        part = balanced_eigenvalues(linearized(Z[row]), k, chunk=max(1, min(chunk, size)))
        values[row], info.residual[row] = part
        info.converged[row] = torch.isfinite(info.residual[row])
        info.products[row] += size
    return values, info


def reduced(
    f: SelfMap, Z: Tensor, k: int
) -> tuple[Callable[[Tensor], Linearization], Float[Tensor, "n r"], tuple[int, ...]]:
    """How to linearize at some of the states, in coordinates of the space that is mapped into.

    Returns:
        The function, and the states and their shape as vectors of it have them.
    """
    space = image_space(f)
    if space is None or k > len(space.basis):
        return f.linearize, Z.flatten(1), f.shape

    def linearized(states: Tensor) -> Linearization:
        linear = f.linearize(states)
        assert isinstance(linear, ChainLinearization)
        return linear.compressed(space.basis)

    return linearized, space.coordinates(Z), space.map.shape


def _singular_values(
    f: SelfMap,
    Z: Tensor,
    k: int,
    tol: float,
    basis: int,
    max_products: int,
    generator: torch.Generator,
    residuals: bool,
) -> tuple[Tensor, SpectrumInfo]:
    if f.size <= DENSE_SINGULAR_SIZE:
        return _dense(*dense_singular_values(f.linearize(Z), k, residuals=residuals), f.size)

    def products_at(index: Tensor) -> tuple[Product, Product]:
        linear = f.linearize(Z[index])
        return flat(linear.jvp, f.shape), flat(linear.vjp, f.shape)

    found = leading_singular_values(
        products_at,
        Z.flatten(1),
        k=k,
        tol=tol,
        basis_size=basis,
        max_products=max_products,
        generator=generator,
    )
    return found.values, SpectrumInfo(found.residual, found.converged, found.products)


def flat(product: Product, shape: tuple[int, ...]) -> Product:
    """The same product of rows `(n, d)`."""
    return lambda V: product(V.reshape(-1, *shape)).flatten(1)


def _dense(values: Tensor, residual: Tensor, d: int) -> tuple[Tensor, SpectrumInfo]:
    return values, SpectrumInfo(
        residual=residual,
        converged=torch.isfinite(residual) & torch.isfinite(values.abs()),
        products=torch.full((len(values),), d, device=values.device),
    )


def _trusted(values: Tensor, info: SpectrumInfo) -> Tensor:
    open_ = int((~info.converged).any(1).sum())
    if open_:
        warnings.warn(
            f"values at {open_} of {len(values)} states did not reach the tolerance; "
            "return_info=True tells which, a larger max_products or dtype=torch.float64 helps",
            ConvergenceWarning,
            stacklevel=3,
        )
    return values
