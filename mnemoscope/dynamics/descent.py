"""Gauss-Newton descent of `|f(z) - z|^2`: for maps with many eigenvalues that are not small.

Levenberg (1944) and Marquardt (1963): with the residual `r = f(z) - z` and `A = J - 1` a step is

    (A^T A + mu) delta = -A^T r,

solved by conjugate gradients on products with `J` and `J^T`; `mu` falls by ten where the step
brings the residual down, and rises where it does not, and the step is not taken.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.dynamics.states import expand, rms
from mnemoscope.linalg.arnoldi import Product
from mnemoscope.maps import SelfMap

STEPS = 40
"""Steps after which a descent is given up."""

PRODUCTS = 60
"""Products with `A^T A` for one step."""


def descend(
    f: SelfMap, Z: Float[Tensor, "n *shape"], *, tol: float
) -> tuple[Float[Tensor, "n *shape"], Bool[Tensor, " n"]]:
    """Descends from each state; returns the ends, and whether residuals are within `tol` (units).

    It goes on to rounding, `4 eps max(RMS, 1)` in units: in quadratic convergence that is a step or
    two.
    """
    rounding = 4 * torch.finfo(f.dtype).eps
    z, before = Z.clone(), f.residual(Z)
    mu = torch.ones_like(before)
    open_ = torch.arange(len(Z), device=Z.device)
    for _ in range(STEPS):
        left = before[open_]
        open_ = open_[
            torch.isfinite(left) & (left > rounding * (rms(z[open_]) / f.unit).clamp_min(1))
        ]
        if len(open_) == 0:
            break
        at = z[open_]
        linear = f.linearize(at)
        damping = mu[open_]

        def forth(v: Tensor, linear=linear, shape=at.shape) -> Tensor:
            return linear.jvp(v.reshape(shape)).flatten(1) - v

        def back(u: Tensor, linear=linear, shape=at.shape) -> Tensor:
            return linear.vjp(u.reshape(shape)).flatten(1) - u

        down = -back((linear.values - at).flatten(1))
        delta = _conjugate_gradients(
            lambda v, damping=damping: back(forth(v)) + damping[:, None] * v, down
        )
        tried = at + delta.reshape(at.shape)
        after = f.residual(tried)
        better = after < before[open_]
        z[open_] = torch.where(expand(better, at), tried, at)
        before[open_] = torch.where(better, after, before[open_])
        mu[open_] = torch.where(better, damping / 10, damping * 10)
    return z, before <= tol


def _conjugate_gradients(product: Product, b: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Solves with a positive definite matrix for each row (Hestenes & Stiefel 1952)."""
    x, r, p = torch.zeros_like(b), b, b
    square = b.square().sum(1)
    enough = 1e-8 * square
    for _ in range(min(PRODUCTS, b.shape[1])):
        if bool((square <= enough).all()):
            break
        Ap = product(p)
        # A row that is done has nothing to divide by.
        length = (square / (p * Ap).sum(1)).nan_to_num(0.0, 0.0, 0.0)
        x = x + length[:, None] * p
        r = r - length[:, None] * Ap
        new = r.square().sum(1)
        p = r + (new / square).nan_to_num(0.0, 0.0, 0.0)[:, None] * p
        square = new
    return x
