"""Spectra and norms of a map's Jacobian at many states: the public functions."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict, Unpack

import torch
from jaxtyping import Float
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
from mnemoscope.linalg.values import LeadingValues
from mnemoscope.maps import (
    Linearization,
    SelfMap,
    check_derivatives,
    check_growth,
    image_space,
)
from mnemoscope.maps.linearization import ChainLinearization
from mnemoscope.maps.self_map import Stage, as_self_map

WHOLE_SPACE = 512
"""States of up to this many entries: a Krylov basis may grow to all of the space, so that even a
spectrum whose moduli are all alike is found."""

SENSITIVE = 1e-2
"""Relative shift of the leading value by its residual and rounding from which on the matrix is
formed, balanced and solved in float64, if the state is no larger than `WHOLE_SPACE`."""


class SpectrumOptions(TypedDict, total=False):
    """Options of every spectral function.

    Attributes:
        dtype: The dtype to compute in (default: the map's).
        tol: Largest residual, relative to the leading value, of a converged one; default 3e-6 in
            float32 and 1e-10 in float64. A singular value is within its residual of a true one; an
            eigenvalue's error is about its condition number times its residual.
        max_products: Maximum number of Jacobian-vector products for each state (default 2000).
        batch_size: States worked on at once (default: what fits into a quarter of free memory).
        seed: Random seed of the first Krylov vectors (default 0).
    """

    dtype: torch.dtype | None
    tol: float | None
    max_products: int
    batch_size: int | None
    seed: int


@dataclass(frozen=True)
class Settings:
    """`SpectrumOptions` with their defaults."""

    dtype: torch.dtype | None = None
    tol: float | None = None
    max_products: int = 2000
    batch_size: int | None = None
    seed: int = 0

    def tol_for(self, dtype: torch.dtype) -> float:
        """Returns the largest relative residual of a converged value."""
        return self.tol if self.tol is not None else 3e-6 if dtype == torch.float32 else 1e-10

    def parts(self, f: SelfMap, Z: Tensor, bytes_each: int) -> Sequence[Tensor]:
        """Splits the states into batches that fit into memory; an empty one if there are none."""
        size = self.batch_size or f.batch_size(bytes_each, largest=max(1, len(Z)))
        return Z.split(size) if len(Z) else [Z]


class ConvergenceWarning(UserWarning):
    """Some values did not reach the tolerance."""


def jacobian_eigenvalues(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = 6,
    **options: Unpack[SpectrumOptions],
) -> LeadingValues:
    """Computes the `k` leading eigenvalues of the Jacobian of `f` at each state, without bounds.

    Matrix-free (thick-restarted Arnoldi, `mnemoscope.linalg.arnoldi`); from the dense matrix where
    `d` is so small that this is faster. For a fully connected network with few units in its last
    hidden layer, in coordinates of the space it maps into (`mnemoscope.maps.image_space`). Memory:
    about `130 d` entries a state (`2 d^2` for `d` up to 512) and the map's own.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the states.
        k: Number of eigenvalues, at most `d`.
        **options: See `SpectrumOptions`.

    Returns:
        The values, largest modulus first; `converged` shows which reached the tolerance.

    Raises:
        MnemoscopeError: `Z` is not a batch of states, or `k` is not between 1 and `d`.

    Example:
        >>> import torch
        >>> A = torch.tensor([[0.0, -2.0], [2.0, 0.0]])
        >>> f = SelfMap(lambda z: z @ A.T, shape=(2,))
        >>> jacobian_eigenvalues(f, torch.zeros(1, 2), k=2).values.abs().round(decimals=3)
        tensor([[2., 2.]])
    """
    return _solve(EIGENVALUES, f, Z, k, Settings(**options), residuals=True)


def jacobian_singular_values(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = 6,
    **options: Unpack[SpectrumOptions],
) -> LeadingValues:
    """Computes the `k` leading singular values of the Jacobian of `f` at each state.

    Matrix-free (`mnemoscope.linalg.golub_kahan`), dense where `d` is small. Arguments, result and
    errors as in `jacobian_eigenvalues`.
    """
    return _solve(SINGULAR_VALUES, f, Z, k, Settings(**options), residuals=True)


def spectral_radius(
    f: Stage | SelfMap, Z: Float[Tensor, "n *shape"], **options: Unpack[SpectrumOptions]
) -> Float[Tensor, " n"]:
    """Computes the largest eigenvalue modulus of the Jacobian of `f` at each state, `(n,)`.

    Below 1 at a fixed point, the fixed point attracts. Arguments and errors as in
    `jacobian_eigenvalues`. No error bound is computed: where the Jacobian is far from normal, a
    value with a tiny residual may be wrong. `mnemoscope.spectrum` bounds it.

    Warns:
        ConvergenceWarning: some value did not reach the tolerance.
    """
    return _trusted(_solve(EIGENVALUES, f, Z, 1, Settings(**options), residuals=False))


def operator_norm(
    f: Stage | SelfMap, Z: Float[Tensor, "n *shape"], **options: Unpack[SpectrumOptions]
) -> Float[Tensor, " n"]:
    """Computes the largest singular value of the Jacobian of `f` at each state, `(n,)`.

    Below 1, one step brings any two states nearby closer together. Arguments, errors and warnings
    as in `spectral_radius`.
    """
    return _trusted(_solve(SINGULAR_VALUES, f, Z, 1, Settings(**options), residuals=False))


def check_count(f: SelfMap, k: int) -> None:
    """Checks that the Jacobian has at least `k` values."""
    if not 1 <= k <= f.size:
        raise MnemoscopeError(
            f"k={k} values of a {f.size} × {f.size} Jacobian",
            expected=f"k between 1 and {f.size}",
            todo="request fewer",
            field="k",
        )


def basis_size(d: int, k: int) -> int:
    """Vectors of a Krylov basis for `k` values of a `d × d` matrix."""
    return d if d <= WHOLE_SPACE else max(64, 3 * k)


def _solve(
    kind: "Kind", f: Stage | SelfMap, Z: Tensor, k: int, settings: Settings, *, residuals: bool
) -> LeadingValues:
    """Runs a solver over the states in batches that fit into memory."""
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:]).to(settings.dtype)
    Z = f.batch(Z)
    check_derivatives(f, Z)
    check_growth(f, Z)
    check_count(f, k)
    with f.evaluating():
        if f.differentiable and f.by_values:
            return kind.stepped(f, Z, k, max_products=settings.max_products, seed=settings.seed)
        entries = (
            3 * f.size * max(2 * basis_size(f.size, k), f.size if f.size <= DENSE_EIGEN_SIZE else 0)
        )
        bytes_each = entries * Z.element_size() + f.footprint.linearize
        search: Search = {
            "k": k,
            "tol": settings.tol_for(f.dtype),
            "max_products": settings.max_products,
            "generator": torch.Generator().manual_seed(settings.seed),
        }
        parts = settings.parts(f, Z, bytes_each)
        return LeadingValues.joined([kind.solve(f, part, residuals, search) for part in parts])


class Search(TypedDict):
    """Arguments of both Krylov methods."""

    k: int
    tol: float
    max_products: int
    generator: torch.Generator


def _eigenvalues(f: SelfMap, Z: Tensor, residuals: bool, search: Search) -> LeadingValues:
    k = search["k"]
    linearized, like, shape = reduced(f, Z, k)
    size = like.shape[1]
    if size <= DENSE_EIGEN_SIZE:
        return dense_eigenvalues(linearized(Z), k, residuals=residuals)
    found = leading_eigenvalues(
        lambda index: flat(linearized(Z[index]).jvp, shape),
        like,
        basis_size=basis_size(size, k),
        **search,
    )
    # What residual and rounding may have moved a value by, to first order.
    floor = ROUNDINGS * torch.finfo(like.dtype).eps * found.image_norm
    moved = found.condition[:, 0] * (found.residual[:, 0] + floor)
    row = (found.converged.all(1) & (moved > SENSITIVE * found.radius)).nonzero()[:, 0]
    if len(row) and size <= WHOLE_SPACE:
        chunk = f.batch_size(f.footprint.linearize, largest=len(row) * size) // len(row)
        part = balanced_eigenvalues(linearized(Z[row]), k, chunk=max(1, min(chunk, size)))
        found.values[row], found.residual[row] = part
        found.converged[row] = torch.isfinite(found.residual[row])
        found.products[row] += size
    return found


def reduced(
    f: SelfMap, Z: Tensor, k: int
) -> tuple[Callable[[Tensor], Linearization], Float[Tensor, "n r"], tuple[int, ...]]:
    """Linearizes in coordinates of the image space; returns also the states there, a shape."""
    space = image_space(f)
    if space is None or k > len(space.basis):
        return f.linearize, Z.flatten(1), f.shape

    def linearized(states: Tensor) -> Linearization:
        linear = f.linearize(states)
        assert isinstance(linear, ChainLinearization)
        return linear.compressed(space.basis)

    return linearized, space.coordinates(Z), space.map.shape


def _singular_values(f: SelfMap, Z: Tensor, residuals: bool, search: Search) -> LeadingValues:
    if f.size <= DENSE_SINGULAR_SIZE:
        return dense_singular_values(f.linearize(Z), search["k"], residuals=residuals)

    def products_at(index: Tensor) -> tuple[Product, Product]:
        linear = f.linearize(Z[index])
        return flat(linear.jvp, f.shape), flat(linear.vjp, f.shape)

    basis = basis_size(f.size, search["k"])
    return leading_singular_values(products_at, Z.flatten(1), basis_size=basis, **search)


def flat(product: Product, shape: tuple[int, ...]) -> Product:
    """Returns the same product of rows `(n, d)`."""
    return lambda V: product(V.reshape(-1, *shape)).flatten(1)


def _trusted(found: LeadingValues) -> Float[Tensor, " n"]:
    """Returns the largest moduli, with a warning where they are rough."""
    open_ = int((~found.converged).any(1).sum())
    if open_:
        warnings.warn(
            f"values at {open_} of {len(found)} states did not reach the tolerance; "
            "`converged` of mn.jacobian_eigenvalues or mn.jacobian_singular_values shows which, a "
            "larger max_products or dtype=torch.float64 helps",
            ConvergenceWarning,
            stacklevel=3,
        )
    return found.radius


class Kind(NamedTuple):
    """Solvers for one kind of values: of a differentiable map, and of one with steps."""

    solve: Callable[[SelfMap, Tensor, bool, Search], LeadingValues]
    stepped: Callable[..., LeadingValues]


EIGENVALUES = Kind(_eigenvalues, stepped_eigenvalues)
SINGULAR_VALUES = Kind(_singular_values, stepped_singular_values)
