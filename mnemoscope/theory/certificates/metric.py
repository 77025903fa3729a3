"""The norm in which a map contracts near a fixed point, from the discrete Lyapunov equation.

Where the spectral radius of the Jacobian `J` is below `gamma < 1`,

    (J / gamma)^T P (J / gamma) - P = -Q,   Q > 0,

has one solution, it is positive definite, and `|J v|_P < gamma |v|_P` in the norm `|v|_P^2 = v^T P
v` (Stein; see Higham's *Functions of Matrices*, or any text on linear systems). With `P = S^T S`,
`|v|_P = |S v|`.

All this is only a guess. The norm of the proof is `|S v|` for the very matrix `S` of
float64 numbers, whatever it came from; that `S` is invertible, and what its inverse does, is proved
with a computed inverse `R`: for `E = I - S R` with `|E| < 1`, `S^-1 = R (I - E)^-1`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import LinAlgError, solve_discrete_lyapunov
from torch import Tensor

from mnemoscope.theory.certificates.loop import Loop
from mnemoscope.theory.certificates.rounding import UNIT, UP, frobenius, product_error


@dataclass(frozen=True)
class Metric:
    """A norm `|S v|` of the coordinates of a loop, and matrices derived from it.

    Attributes:
        S: `(n, n)`, exact.
        R: `(n, n)`, nearly its inverse.
        stretch: At least `|(I - E)^-1|`, so that `|A S^-1| <= stretch |A R|`.
        first: `M_0 R` as computed.
        first_error: How far it can be from `M_0 R`.
        last: `S M_K` as computed.
        last_error: How far it can be from `S M_K`.
        sense: `(n, d)`, `S` times what reads the state, as computed; the norm of a state `v` is
            that of `sense v`.
        sense_error: How far it can be from the true one.
    """

    S: Float[Tensor, "n n"]
    R: Float[Tensor, "n n"]
    stretch: float
    first: Float[Tensor, "w_1 n"]
    first_error: float
    last: Float[Tensor, "n w_K"]
    last_error: float
    sense: Float[Tensor, "n d"]
    sense_error: float


def lyapunov_metric(loop: Loop, J: Float[Tensor, "n n"], gamma: float) -> Metric | None:
    """Returns the norm in which `J` contracts by `gamma`, or None where numbers do not allow it.

    `Q` is the identity on states: at a cut behind the first matrix, a vector of coordinates counts
    as much as the smallest state that it is read from.
    """
    to_states = loop.to_states
    n = len(J)
    if to_states is not None:
        J = torch.linalg.solve(to_states, J @ to_states)
    A = (J / gamma).numpy()
    try:
        P = torch.from_numpy(solve_discrete_lyapunov(A.T, np.eye(n), method="bilinear"))
    except (LinAlgError, ValueError):
        return None
    L, failed = torch.linalg.cholesky_ex((P + P.T) / 2)
    if int(failed) or not bool(torch.isfinite(L).all()):
        return None
    S = L.T
    if to_states is not None:
        S = torch.linalg.solve(to_states, S, left=False)
    S = S / torch.linalg.matrix_norm(S)
    return _metric(loop, S)


def _metric(loop: Loop, S: Tensor) -> Metric | None:
    n = len(S)
    R, failed = torch.linalg.inv_ex(S)
    if int(failed) or not bool(torch.isfinite(R).all()):
        return None
    length_S, length_R = frobenius(S), frobenius(R)
    identity = torch.eye(n, dtype=S.dtype)
    defect = frobenius(identity - S @ R) * (1 + 2 * UNIT)
    defect += product_error(n + 1, length_S, length_R)
    if not defect < 0.5:
        return None
    first, first_error, last, last_error = R, 0.0, S, 0.0
    if loop.at_state:
        M = loop.first
        first = M @ R
        first_error = product_error(n, frobenius(M), length_R) + loop.first_error * length_R
    if loop.last is not None:
        M = loop.last
        last = S @ M
        last_error = product_error(n, length_S, frobenius(M)) + loop.last_error * length_S
    sense, sense_error = S, 0.0
    if not loop.at_state:
        layer = loop.layers[0]
        sense = S @ layer.weight
        sense_error = product_error(n, length_S, layer.frobenius) + layer.error * length_S
    return Metric(
        S=S,
        R=R,
        stretch=UP / (1 - defect),
        first=first,
        first_error=first_error * UP,
        last=last,
        last_error=last_error * UP,
        sense=sense,
        sense_error=sense_error * UP,
    )
