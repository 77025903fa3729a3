"""Expectations of an activation over two correlated Gaussians: `E[phi(u) phi(v)]`, and of `phi'`.

`u` and `v` have mean 0, variances `p` and `q` and covariance `c`, with `rho = c / sqrt(p q)` and
`theta = acos rho`. In closed form:

- relu (Cho & Saul 2009): `sqrt(p q) (sin theta + (pi - theta) cos theta) / (2 pi)`, and
  `(pi - theta) / (2 pi)`; leaky_relu is `s z + (1 - s) relu(z)`;
- erf (Williams 1997): `(2/pi) asin(2 c / r)` with `r^2 = (1 + 2 p)(1 + 2 q)`, and
  `(4/pi) / sqrt(r^2 - 4 c^2)`;
- sin and cos: from `E[cos(u ± v)] = exp(-(p + q ± 2 c) / 2)`; cosid is `cos z - z`.

Every other activation by its Hermite series (Mehler 1866; Daniely, Frostig & Singer 2016):

    E[phi(u) phi(v)] = sum_k a_k(p) a_k(q) rho^k,    a_k(p) = E[phi(sqrt(p) g) h_k(g)]

with normalized Hermite polynomials `h_k`, the `a_k` by quadrature. As
`sqrt(p) E[phi'(sqrt(p) g) h_k(g)]` is `sqrt(k + 1) a_(k+1)`, it gives both expectations, and unlike
quadrature in two dimensions it can be differentiated where `u = v`. What a kink at 0 contributes is
taken from relu's closed form, since there the series converges slowly.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import activation_function, parse_activation

TERMS = 1024
"""Terms of a Hermite series."""

REACH, PANELS, POINTS = 13.0, 104, 16
"""The quadrature: Gauss and Legendre's points on panels that have an end at 0."""

LOST = 1e-6
"""The share of the derivative's square that the last quarter of the terms may have."""

SAME = 1e-12
"""Two Gaussians with `rho` above 1 minus this count as one: `theta` is 0, and so is its derivative,
the mean of those from both sides of the kernel's cusp."""

MIN_VARIANCE = 1e-12
"""A Gaussian of smaller variance counts as one of this: `phi'` comes from the first term of the
series over the standard deviation, which rounding spoils."""

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805

KINKS = {
    "elu": (0.0, -1.0),
    "selu": (_SELU_SCALE * (1 - _SELU_ALPHA), -_SELU_SCALE * _SELU_ALPHA),
}
"""The jumps of `phi'` and of `phi''` at 0 of activations that are given by their series."""

Expectations = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""`(p, q, c) -> E[phi(u) phi(v)], E[phi'(u) phi'(v)]`, all of shapes that broadcast to `c`'s."""


def dual_activation(activation: str) -> Expectations:
    """Returns the two expectations of an activation as a function of `p`, `q` and `c`, in float64.

    Args:
        activation: Its name.

    Returns:
        A function of `p` `(m, 1)`, `q` `(1, n)` and `c` `(m, n)` that gives two `(m, n)`; PyTorch
        differentiates it.

    Raises:
        MnemoscopeError: there is no such activation. What is returned raises it for a variance so
            large that the series has not converged.

    Example:
        >>> import torch
        >>> one = torch.ones(1, 1, dtype=torch.float64)
        >>> value, slope = dual_activation("relu")(one, one, one)
        >>> float(value), float(slope)
        (0.5, 0.5)
    """
    closed = _closed_form(activation)
    return closed or (lambda p, q, c: _series(activation, p, q, c))


def second_moment(activation: str, p: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Computes `E[phi(u)^2]` for each variance `p`: in closed form at `u = v`, or by quadrature.

    Example:
        >>> import torch
        >>> round(float(second_moment("relu", torch.tensor([3.0], dtype=torch.float64))), 12)
        1.5
    """
    closed = _closed_form(activation)
    if closed is not None:
        return closed(p, p, p)[0]
    nodes, table = _hermite()
    phi = activation_function(activation)
    return phi(_root(p)[..., None] * nodes).square() @ table[:, 0]


def _closed_form(activation: str) -> Expectations | None:
    """Returns the two expectations of an activation in closed form; None: it has none."""
    name, slope = parse_activation(activation)
    if name == "leaky_relu":
        assert slope is not None
        return lambda p, q, c: _leaky_relu(p, q, c, slope)
    known: dict[str, Expectations] = {
        "identity": lambda p, q, c: (c, torch.ones_like(c)),
        "relu": _relu,
        "erf": _erf,
        "sin": _sin,
        "cosid": _cosid,
    }
    return known.get(name)


def _root(p: Tensor) -> Tensor:
    """Returns the square root, with derivative 0 at 0."""
    return p.clamp_min(torch.finfo(p.dtype).tiny).sqrt()


def _angle(p: Tensor, q: Tensor, c: Tensor) -> Tensor:
    rho = c / _root(p * q)
    same, opposite = rho > 1 - SAME, rho < SAME - 1
    inside = torch.where(same | opposite, torch.zeros_like(rho), rho)
    ends = torch.where(opposite, math.pi, 0.0)
    return torch.where(same | opposite, ends, torch.acos(inside))


def _leaky_relu(p: Tensor, q: Tensor, c: Tensor, slope: float) -> tuple[Tensor, Tensor]:
    theta, rest = _angle(p, q, c), 1 - slope
    size = _root(p * q)
    relu = (size * torch.sin(theta) + (math.pi - theta) * c) / (2 * math.pi)
    value = slope * c + rest**2 * relu
    return value, slope + rest**2 * (math.pi - theta) / (2 * math.pi)


def _erf(p: Tensor, q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    square = (1 + 2 * p) * (1 + 2 * q)
    value = torch.asin(2 * c / square.sqrt()) * 2 / math.pi
    return value, 4 / math.pi / (square - 4 * c**2).sqrt()


def _sin(p: Tensor, q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    apart, together = torch.exp(c - (p + q) / 2), torch.exp(-c - (p + q) / 2)
    return (apart - together) / 2, (apart + together) / 2


def _cosid(p: Tensor, q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    sines, cosines = _sin(p, q, c)
    return cosines + c, sines + 1


def _square(p: Tensor, q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Computes both expectations of `relu(z)^2 / 2`."""
    theta, size = _angle(p, q, c), _root(p * q)
    value = 3 * size * torch.sin(theta) * c + (math.pi - theta) * (p * q + 2 * c**2)
    return value / (8 * math.pi), _leaky_relu(p, q, c, 0.0)[0]


def _series(activation: str, p: Tensor, q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    p, q = p.clamp_min(MIN_VARIANCE), q.clamp_min(MIN_VARIANCE)
    size = (p * q).sqrt()
    rho = c / size
    left, right = _coefficients(activation, p.flatten()), _coefficients(activation, q.flatten())
    first, second = KINKS.get(activation, (0.0, 0.0))
    terms = left[:, None] * right[None]
    if activation in KINKS:
        relu, square = _bent()
        bent = first**2 * size[:, :, None] * relu**2 + second**2 * (p * q)[:, :, None] * square**2
        terms = terms - bent
    order = torch.arange(TERMS, dtype=c.dtype)
    powers = rho[:, :, None] ** order
    value = (terms * powers).sum(2)
    slope = (terms[:, :, 1:] * order[1:] * powers[:, :, :-1]).sum(2) / size
    for jump, closed in ((first, _relu), (second, _square)):
        if jump:
            more, steeper = closed(p, q, c)
            value, slope = value + jump**2 * more, slope + jump**2 * steeper
    return value, slope


def _relu(p: Tensor, q: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    return _leaky_relu(p, q, c, 0.0)


def _coefficients(activation: str, variance: Float[Tensor, " m"]) -> Float[Tensor, "m k"]:
    nodes, table = _hermite()
    phi = activation_function(activation)
    deviation = variance.sqrt()[:, None]
    found = phi(deviation * nodes) @ table
    smooth = found.detach()
    if activation in KINKS:
        (first, second), (relu, square) = KINKS[activation], _bent()
        root = deviation.detach()
        smooth = smooth - first * root * relu - second * root**2 * square
    share = smooth.square() * torch.arange(TERMS)
    whole = (found.detach().square() * torch.arange(TERMS)).sum(1)
    if bool((share[:, 3 * TERMS // 4 :].sum(1) > LOST * whole).any()):
        raise MnemoscopeError(
            f"{activation} of a Gaussian of variance {float(variance.detach().max()):.4g}",
            expected=f"one whose Hermite series converges in {TERMS} terms",
            todo="scale the examples down",
        )
    return found


@lru_cache
def _bent() -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Returns the terms of `relu(z)` and of `relu(z)^2 / 2` at variance 1."""
    nodes, table = _hermite()
    relu = nodes.clamp_min(0)
    return relu @ table, relu.square() / 2 @ table


@lru_cache
def _hermite() -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """Nodes, and the normalized Hermite polynomials there times the weights of the Gaussian."""
    x, w = np.polynomial.legendre.leggauss(POINTS)
    width = 2 * REACH / PANELS
    middles = -REACH + width * (np.arange(PANELS) + 0.5)
    nodes = (middles[:, None] + width / 2 * x).reshape(-1)
    weights = np.tile(width / 2 * w, PANELS) * np.exp(-(nodes**2) / 2) / math.sqrt(2 * math.pi)
    table = np.empty((len(nodes), TERMS))
    table[:, 0], table[:, 1] = 1, nodes
    for k in range(1, TERMS - 1):
        table[:, k + 1] = (nodes * table[:, k] - math.sqrt(k) * table[:, k - 1]) / math.sqrt(k + 1)
    return torch.from_numpy(nodes), torch.from_numpy(table * weights[:, None])
