"""Two layers, one example: the eigenvalue at it, from the first weights alone.

`f(z) = A phi(B z)` without biases, `|x| = 1`, `A_0 = x a^T`, `B_0 = b x^T`. Gradient flow keeps
this form, and with `s = sum_i a_i phi(b_i)`, so that `f(x) = s x`, it is for some constant `c`

    da_i/dt = c (1 - s) phi(b_i),    db_i/dt = c (1 - s) a_i phi'(b_i).

So `a_i^2 / 2 - int phi/phi' db_i` is constant for each unit. In the time `dtau = c (1 - s) dt` the
flow is free of the loss, and `ds/dtau = sum_i phi(b_i)^2 + a_i^2 phi'(b_i)^2`, which is not
negative: it ends where `s = 1` (followed backwards, if it begins above). The Jacobian at `x` is
then of rank one, `x x^T sum_i a_i b_i phi'(b_i)`; for equal units its eigenvalue is `b phi'(b) /
phi(b)` (Radhakrishnan, Yang, Belkin, Uhler, arXiv 1810.10333).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.integrate import solve_ivp
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import activation_function, activation_pullback

MAX_TAU = 1e8
"""Largest `tau` to which the flow is followed."""


@dataclass(frozen=True)
class TwoLayerEnd:
    """The end of gradient flow.

    Attributes:
        a: `(k,)` float64, the outer weights along the example.
        b: `(k,)` float64, the inner ones.
        eigenvalue: The Jacobian's only eigenvalue at the example that is not zero.
    """

    a: Float[Tensor, " k"]
    b: Float[Tensor, " k"]
    eigenvalue: float


def two_layer_end(
    activation: str,
    a0: Float[Tensor, " k"] | Sequence[float],
    b0: Float[Tensor, " k"] | Sequence[float],
) -> TwoLayerEnd:
    """Follows gradient flow from the first weights to zero loss.

    The equation in `tau` is integrated (Dormand & Prince's method of order 8, relative tolerance
    1e-12): no training, no data but the length of the example, which is 1.

    Args:
        activation: Its name.
        a0: `(k,)`, the outer weights of the units.
        b0: `(k,)`, the inner ones.

    Raises:
        MnemoscopeError: the weights do not fit each other, or from them the flow comes to no
            solution (all gradients vanish).
    """
    phi, pullback = activation_function(activation), activation_pullback(activation)
    a, b = (torch.as_tensor(v, dtype=torch.float64).reshape(-1) for v in (a0, b0))
    if len(a) != len(b) or len(a) == 0 or not bool(torch.isfinite(torch.cat([a, b])).all()):
        raise MnemoscopeError(
            f"{len(a)} outer and {len(b)} inner weights",
            expected="one of each for every unit, all finite",
            todo="pass a0 and b0 of the same length",
            field="a0",
        )
    k = len(a)

    def value(state: np.ndarray) -> float:
        return float(torch.dot(torch.from_numpy(state[:k]), phi(torch.from_numpy(state[k:]))))

    sign = 1.0 if value(torch.cat([a, b]).numpy()) <= 1 else -1.0

    def flow(_: float, state: np.ndarray) -> np.ndarray:
        outer, inner = torch.from_numpy(state[:k]), torch.from_numpy(state[k:])
        image = phi(inner)
        return sign * torch.cat([image, pullback(outer.clone(), inner, image)]).numpy()

    def solved(_: float, state: np.ndarray) -> float:
        return value(state) - 1

    solved.terminal = True  # type: ignore[attr-defined]
    begin, method = torch.cat([a, b]).numpy(), "DOP853"
    found = solve_ivp(flow, (0, MAX_TAU), begin, method, events=solved, rtol=1e-12, atol=1e-14)
    if found.status != 1:
        raise MnemoscopeError(
            f"first weights from which {activation} comes to no solution",
            expected="weights at which some gradient is not zero",
            todo="begin elsewhere: with b = 0 relu, for one, learns nothing",
            field="b0",
        )
    end = torch.from_numpy(found.y_events[0][-1])
    a, b = end[:k].clone(), end[k:].clone()
    return TwoLayerEnd(a, b, float(torch.dot(b, pullback(a.clone(), b, phi(b)))))


def two_layer_eigenvalue(
    activation: str,
    a0: Float[Tensor, " k"] | Sequence[float],
    b0: Float[Tensor, " k"] | Sequence[float],
) -> float:
    """Computes the eigenvalue at the example, from the first weights alone; see `two_layer_end`.

    Below 1 the example is an attractor. For relu and leaky_relu, `phi'(b) b = phi(b)`, it is 1.

    Raises:
        MnemoscopeError: as `two_layer_end`.

    Example:
        >>> round(two_layer_eigenvalue("sigmoid", [0.001] * 50, [0.3] * 50), 5)
        0.12776
        >>> round(two_layer_eigenvalue("leaky_relu", [0.1, 0.2], [0.3, -0.1]), 9)
        1.0
    """
    return two_layer_end(activation, a0, b0).eigenvalue
