"""The factor by which a map contracts over a ball, whatever its slopes do there.

For two states of the ball `|S (y - y_c)| <= r`, every activation maps a difference of arguments to
that difference times slopes between its least and largest over the ball, so that

    g(x) - g(y) = M_K D_K M_(K-1) ... D_1 M_0 (x - y),   D_k = C_k + E_k,  |E_k| <= e_k,

with `C_k` the middle and `e_k` half the width of those intervals. Let `T_k` be the factor from the
coordinates `S y` to the arguments of layer `k`, `T_k^0` and `A_km` the same with `C` instead of `D`
(`A_km` begins at what layer `m` puts out). Then (variation of constants)

    T_k = T_k^0 + sum_(m<k) A_km E_m T_m.

Write `E_m = p_m F_m q_m` with `|F_m| <= 1`, `p_m = sqrt(e_m) s_m`, `q_m = sqrt(e_m) / s_m` for any
positive `s_m`, one for each unit. The stack `Y` of all `q_m T_m` obeys `Y = Y^0 + N F Y`, with the
blocks `N_km = q_k A_km p_m` strictly below the diagonal. So the norm of its first `k` blocks is at
most

    y_k = |Y^0_(<=k)| + |N_(<=k)| y_(k-1)     and     sqrt(y_(k-1)^2 + (|Y^0_k| + |N_k| y_(k-1))^2),

and, with `X` the row of all `S A_(K+1,m) p_m`, the factor is at most `|T^0_(K+1)| + |X| y_K`. The
arguments of unit `i` move by at most `r |(T_k)_i|`, and the length of that row is at most
`|(T_k^0)_i| + |(A_km p_m)_i| y_(k-1)`, which gives the intervals of one layer after the other.

In a ball in which no unit can change sides a piecewise-linear network has `e = 0`: the factor is
exactly the norm of its Jacobian.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mnemoscope.theory.certificates.loop import Loop, Point
from mnemoscope.theory.certificates.metric import Metric
from mnemoscope.theory.certificates.rounding import (
    TINY,
    UNIT,
    UP,
    Norm,
    frobenius,
    product_error,
    row_norms,
)
from mnemoscope.theory.certificates.slopes import slope_range

MAX_UNITS = 3000
"""Units whose slopes may vary at once; the matrix `N` has that many squared entries, 72 MB."""


@dataclass(frozen=True)
class Contraction:
    """Bounds over a ball.

    Attributes:
        factor: Bounds the factor of `g` in the norm; infinite where there is no bound.
        to_state: Bounds the factor from the norm to the length of a state: `|h(x) - h(y)|` is at
            most this times `|S (x - y)|`; at a cut at the state, `|x - y|`.
        moving: Units whose slope may vary.
    """

    factor: float
    to_state: float
    moving: int


def unit_weights(loop: Loop, metric: Metric, slopes: Sequence[Tensor]) -> list[Tensor]:
    """Returns the `s` of each unit that makes `p` and `q` of one size: the root of `|T_i| / |X_i|`.

    Any would do; these are about the best for the term of first order.
    """
    forward, T = [], metric.first
    for i, slope in enumerate(slopes):
        forward.append(torch.linalg.vector_norm(T, dim=1))
        if i < len(loop.inner):
            T = loop.inner[i].weight @ (slope[:, None] * T)
    backward, B = [], metric.last
    for i in reversed(range(len(slopes))):
        backward.append(torch.linalg.vector_norm(B, dim=0))
        if i > 0:
            B = (B * slopes[i]) @ loop.inner[i - 1].weight
    weights = []
    for there, back in zip(forward, reversed(backward), strict=True):
        # A unit that nothing comes to, or that leads nowhere, gets a weight in the range of others.
        low, high = 1e-3 * float(there.max()) + TINY, 1e-3 * float(back.max()) + TINY
        weights.append((there.clamp_min(low) / back.clamp_min(high)).sqrt())
    return weights


def contraction(
    loop: Loop, point: Point, metric: Metric, weights: Sequence[Tensor], radius: float, norm: Norm
) -> Contraction:
    """Bounds the factor over a ball: proved with `proved_norm`, a guess with `estimated_norm`."""
    # Every matrix goes with a bound on how far it is from the true one, in the spectral norm.
    nothing = Contraction(math.inf, math.inf, 0)
    T, T_error = metric.first, metric.first_error
    A, A_error = T.new_zeros(len(T), 0), 0.0
    Ys, Ns = list[Tensor](), list[Tensor]()
    Y_error = N_error = y = behind = 0.0
    for k, name in enumerate(loop.activations):
        z = point.arguments[k]
        reach = metric.stretch * (row_norms(T) + T_error) + y * (row_norms(A) + A_error)
        half = (radius * reach + point.errors[k]) * UP + 4 * UNIT * z.abs()
        low, high = slope_range(name, z - half, z + half)
        if not bool(torch.isfinite(low).all() and torch.isfinite(high).all()):
            return nothing
        middle = (low + high) / 2
        spread = torch.maximum(high - middle, middle - low) * UP
        moving = spread > 0
        root = spread[moving].sqrt() * UP
        p, q = root * weights[k][moving], root / weights[k][moving]
        if A.shape[1] + len(p) > MAX_UNITS:
            return nothing
        if len(q):
            largest = float(q.max())
            Y, N = q[:, None] * T[moving], q[:, None] * A[moving]
            this_Y = (largest * T_error + UNIT * frobenius(Y)) * UP
            this_N = (largest * A_error + UNIT * frobenius(N)) * UP
            alone = metric.stretch * norm(Y, this_Y) + norm(N, this_N) * y
            Ys, Ns = [*Ys, Y], [*Ns, N]
            Y_error, N_error = Y_error + this_Y, N_error + this_N
            joint = metric.stretch * norm(torch.cat(Ys), Y_error)
            joint += norm(_below_each_other(Ns), N_error) * y
            y = min(joint, (y**2 + alone**2) ** 0.5) * UP
        # Behind the activation: T goes on with the middle slopes, and at each moving unit a column
        # of A begins.
        begins = T.new_zeros(len(z), len(p))
        begins[moving, torch.arange(len(p))] = p
        steep = float(middle.abs().max())
        T, T_error = middle[:, None] * T, steep * T_error
        A, A_error = torch.cat([middle[:, None] * A, begins], dim=1), steep * A_error
        T_error, A_error = T_error + UNIT * frobenius(T), A_error + UNIT * frobenius(A)
        if k < len(loop.inner):
            layer = loop.inner[k]
            M = _Factor(layer.weight, layer.error, layer.frobenius, layer.norm)
        else:
            behind = metric.stretch * norm(T, T_error * UP) + norm(A, A_error * UP) * y
            length = frobenius(metric.last) + metric.last_error
            M = _Factor(metric.last, metric.last_error, length, length)
        T, T_error = M.times(T, T_error)
        A, A_error = M.times(A, A_error)
    factor = (metric.stretch * norm(T, T_error) + norm(A, A_error) * y) * UP
    to_state = loop.readout_norm * behind
    if loop.at_state:
        to_state = metric.stretch * norm(metric.R, 0.0)
    return Contraction(factor, to_state * UP, A.shape[1])


@dataclass(frozen=True)
class _Factor:
    """A matrix as computed, how far off it can be, and bounds on its two norms."""

    matrix: Tensor
    error: float
    length: float
    norm: float

    def times(self, B: Tensor, error: float) -> tuple[Tensor, float]:
        """Multiplies by a matrix that can be off by `error`; bounds the error of the product."""
        length = frobenius(B)
        rounding = product_error(B.shape[0], self.length, length)
        return self.matrix @ B, (rounding + self.norm * error + self.error * length) * UP


def _below_each_other(blocks: Sequence[Tensor]) -> Tensor:
    """Returns the blocks as rows of one matrix; the narrower ones are filled up with zeros."""
    width = blocks[-1].shape[1]
    return torch.cat([functional.pad(block, (0, width - block.shape[1])) for block in blocks])
