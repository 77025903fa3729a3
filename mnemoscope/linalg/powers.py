"""A bound on the spectral radius of many matrices from the norms of their powers."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.linalg.balancing import power_of_two

MAX_SQUARINGS = 30
"""`||A^p||^(1/p)` at `p = 2^30` is above the spectral radius by a factor that no longer matters."""

IMPROVES = 1e-4
"""Squaring goes on while it lowers the bound by this share of it."""

UNIT = 2.0**-53
"""The largest relative error of one rounding to the nearest float64."""


def power_bounds(
    A: Float[Tensor, "n d d"], error: Float[Tensor, " n"], goal: Float[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Bounds the spectral radius of all matrices within `error` of `A` in the spectral norm.

    `rho(A) <= ||A^p||^(1/p)` for every `p`, which tends to `rho(A)` as `p` grows (Gelfand). With
    computed squares `P_2p = P_p P_p + R`, `||R|| <= gamma_d ||P_p||_F^2` (Higham, *Accuracy and
    Stability of Numerical Algorithms*, 2nd edition, section 3.5), what a power is off by grows as

        e_2p <= e_p (2 ||P_p|| + e_p) + gamma_d ||P_p||_F^2,

    so `(||P_p|| + e_p)^(1/p)` is a bound for the exact matrix. Each power is scaled by a power of
    two, so that none leaves the range of float64. A bound of `goal` is good enough; NaN or infinite
    entries give infinity.

    Example:
        >>> turn = torch.tensor([[[0.0, -0.5], [0.5, 0.0]]], dtype=torch.float64)
        >>> exact, goal = torch.zeros(1, dtype=torch.float64), torch.full((1,), 0.501)
        >>> 0.5 <= float(power_bounds(turn, exact, goal)[0]) <= 0.501
        True
    """
    d = A.shape[-1]
    # A sum of d products; its factors are scaled exactly, and its entries rounded once more.
    gamma = (d + 2) * UNIT / (1 - (d + 2) * UNIT)
    best = A.new_full((len(A),), torch.inf)
    row = torch.isfinite(A).flatten(1).all(1).nonzero()[:, 0]
    P, e, goal = A[row], error.to(A)[row], goal.to(A)[row]
    # The exact power is 2^scale times what is held.
    scale = torch.zeros_like(e)
    for squarings in range(MAX_SQUARINGS + 1):
        P, e, shift = _normalized(P, e)
        scale = scale + shift
        norm = _norm_bound(P)
        # Twice rounded logarithms are off by less than this.
        logarithm = ((norm + e).log2() + scale) / 2.0**squarings
        bound = torch.exp2(logarithm + 8 * UNIT * (1 + logarithm.abs()).clamp_max(1e4))
        bound = torch.where(norm + e == 0, 0, bound)
        before = best[row]
        best[row] = torch.minimum(before, bound)
        # The first powers may grow before they shrink, so that the first few are always tried.
        improving = (bound < (1 - IMPROVES) * before) | (squarings < 4)
        on = (best[row] > goal) & improving & (bound > 0)
        if not bool(on.any()):
            break
        row, P, e, scale, goal = row[on], P[on], e[on], scale[on], goal[on]
        norm = norm[on]
        frobenius = torch.linalg.matrix_norm(P)
        P = torch.bmm(P, P)
        e = (e * (2 * norm + e) + gamma * frobenius.square()) * (1 + 64 * UNIT)
        scale = 2 * scale
    return best


def _normalized(P: Tensor, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Divides the powers and their errors by a power of two that brings the larger near 1."""
    top = torch.maximum(P.abs().flatten(1).amax(1), e)
    shift = torch.where(top > 0, torch.frexp(top).exponent, 0).to(P)
    factor = power_of_two(-shift)
    return P * factor[:, None, None], e * factor, shift


def _norm_bound(P: Float[Tensor, "n d d"]) -> Float[Tensor, " n"]:
    """Bounds the spectral norm: Frobenius', or the root of the 1-norm times the inf-norm."""
    moduli = P.abs()
    mixed = (moduli.sum(1).amax(1) * moduli.sum(2).amax(1)).sqrt()
    # Sums of squares, each rounded; an underflow of a square is far below the largest entry.
    slack = 1 + (P.shape[-1] ** 2 + 16) * UNIT
    return torch.minimum(torch.linalg.matrix_norm(P), mixed) * slack
