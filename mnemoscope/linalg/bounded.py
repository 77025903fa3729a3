"""`spectrum`: leading eigenvalues of a map's Jacobians, with bounds on their errors and on all.

Jacobians of trained networks are far from normal, and then a tiny residual does not make an
eigenvalue right: an error of `J` is multiplied by the value's condition number.

Matrices that are formed are solved in float64. Entries that move no eigenvalue are removed
(`mnemoscope.linalg.balancing`), all values are enclosed (`mnemoscope.linalg.enclosure`), and where
that gives no narrow bound, powers of the matrix bound the spectral radius
(`mnemoscope.linalg.powers`). The bounds hold for the matrix that was formed, whose entries are
taken to be as accurate as a product with it.

Larger Jacobians are only multiplied with: Arnoldi's method on `J` and, where the map allows it, on
its transpose from another random start, which gives left vectors and checks that no larger value
was missed. The error bound is `condition (residual + rounding)`, where it is below a tenth of the
gap to the next value; otherwise `upper` is estimated from `||J^p v||` for random `v` and `p` up to
16.
"""

import warnings
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.data.given import given_examples
from mnemoscope.linalg.dense import DENSE_EIGEN_SIZE
from mnemoscope.linalg.dense_bounds import dense_bounds, enclosed_unless_expanding
from mnemoscope.linalg.leading import Settings, SpectrumOptions, check_count
from mnemoscope.linalg.product_bounds import product_bounds
from mnemoscope.linalg.stepped import stepped_spectrum
from mnemoscope.linalg.values import Spectrum
from mnemoscope.maps import SelfMap, check_derivatives, check_growth
from mnemoscope.maps.self_map import Stage, as_self_map

DENSE_BOUND_SIZE = 1024
"""Up to this size, of the state or the narrowest layer, the matrix itself is formed in float64."""

NORM_ERROR = 1e-3
"""Share by which a norm found by products may be too small: its residual is far below that."""

SMALL = 1e-3
"""An error bound above this share of the leading value draws a warning."""


class AccuracyWarning(UserWarning):
    """Some eigenvalue is so sensitive to rounding that no small error bound holds for it."""


def spectrum(
    f: Stage | SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = 6,
    **options: Unpack[SpectrumOptions],
) -> Spectrum:
    """Computes the `k` leading eigenvalues of the Jacobian at each state, with error bounds.

    Where the state, or the narrowest layer of a fully connected network, has at most 1,024 entries,
    the matrix is formed in float64 (of a float32 map if it can be evaluated in float64) and solved:
    about a second a state at 1,024. Larger Jacobians are only multiplied with, and `upper` may be
    an estimate. For a map whose values come in steps (`f.resolution`) the matrix holds difference
    quotients over visible lengths, `upper` is an estimate and there are no error bounds.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the states.
        k: Number of eigenvalues, at most `d`.
        **options: See `SpectrumOptions`; `dtype` is float64 by default where the matrix is formed.

    Returns:
        The values and bounds in float64, whatever the map's dtype is.

    Raises:
        MnemoscopeError: `Z` is not a batch of states, or `k` is not between 1 and `d`.

    Warns:
        AccuracyWarning: a leading value's error bound is not small against the value.

    Example:
        >>> import torch
        >>> f = SelfMap(lambda z: z.roll(1, 1) * torch.tensor([0.0, 1.0, 1.0]), shape=(3,))
        >>> s = spectrum(f, torch.zeros(1, 3), k=1)
        >>> float(s.radius[0]), float(s.upper[0]), bool(s.contractive[0])
        (0.0, 0.0, True)
    """
    settings = Settings(**options)
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    check_count(f, k)
    check_derivatives(f, Z)
    check_growth(f, Z)
    if f.differentiable and f.by_values:
        return stepped_spectrum(f, Z, k, seed=settings.seed)
    method = dense_bounds if f.narrowest <= DENSE_BOUND_SIZE else product_bounds
    found = method(f, Z, k, **options)
    wide = int((found.error_bound[:, 0] > SMALL * found.radius).sum())
    if wide:
        warnings.warn(
            f"the leading eigenvalue at {wide} of {len(found)} states has no small error bound; "
            "Spectrum.upper bounds the spectral radius all the same",
            AccuracyWarning,
            stacklevel=2,
        )
    return found


def decisive_spectrum(
    f: SelfMap,
    Z: Float[Tensor, "n *shape"],
    k: int = 1,
    *,
    margin: float = 0.0,
    norm: Float[Tensor, " n"] | None = None,
    **options: Unpack[SpectrumOptions],
) -> Spectrum:
    """Computes as much of `spectrum` as it takes to decide whether the map contracts.

    Matrices are formed at once only where that is faster than to multiply with them; where one
    value alone shows that the map expands, `upper` is infinite then. Else only the leading value
    gets a condition number, and what it leaves open is decided by the matrix itself where the state
    or the narrowest layer has at most 1,024 entries. A known operator norm below 1 decides.

    Args:
        f: A self-map.
        Z: `(n, *shape)`, the states.
        k: Number of eigenvalues; `error_bound` of all but the first may be infinite.
        margin: How far below 1 `upper` must be for a state to count as decided.
        norm: `(n,)`, the operator norms of the Jacobians, if they are known.
        **options: See `SpectrumOptions`; what a matrix of a coarser `dtype` leaves open is decided
            in float64.
    """
    Z = f.batch(Z)
    check_count(f, k)
    check_growth(f, Z)
    small = f.narrowest
    if small <= DENSE_EIGEN_SIZE:
        found = dense_bounds(f, Z, k, solve=enclosed_unless_expanding, **options)
        if options.get("dtype") in (None, torch.float64):
            return found
    else:
        contracts = norm is not None and bool((norm < 1 - NORM_ERROR).all())
        thorough = small > DENSE_BOUND_SIZE and not contracts
        found = product_bounds(f, Z, k, thorough=thorough, **options)
        if norm is not None:
            found = found.within(norm * (1 + NORM_ERROR))
    open_ = ~(found.upper + margin < 1) & ~found.expanding & torch.isfinite(found.radius)
    rows = open_.nonzero()[:, 0]
    if len(rows) == 0 or small > DENSE_BOUND_SIZE:
        return found
    # In the dtype that suits a matrix, whatever products were made in.
    return found.with_rows(rows, dense_bounds(f, Z[rows], k, **{**options, "dtype": None}))
