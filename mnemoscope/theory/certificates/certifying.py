"""Proves that a ball around a state holds one fixed point, which every orbit from it converges to.

Banach's theorem: let `g` contract by `q < 1` over the ball `|S (y - c)| <= r`, and let `|S (g(c) -
c)| <= (1 - q) r`. Then `g` maps the ball into itself, and there is exactly one fixed point in it,
which all orbits converge to, at most `|S (g(c) - c)| / (1 - q)` from the center. `c` need not be
a fixed point, and the state that the proof speaks of is the float64 one.

The norm comes from the Lyapunov equation (`metric`), the factor from bounds on the slopes over the
ball (`contraction`), all of it with bounds on what rounding did (`rounding`). Guessing and proving
are apart: several norms are tried, and in each the largest radius is sought, with estimates; the
best is then proved, in a ball a little smaller wherever the estimate said too much.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.maps import SelfMap, check_derivatives
from mnemoscope.maps.self_map import as_self_map
from mnemoscope.theory.certificates.affine_layers import affine_layers
from mnemoscope.theory.certificates.center import fixed_point_near
from mnemoscope.theory.certificates.certificate import Certificate
from mnemoscope.theory.certificates.contraction import contraction, unit_weights
from mnemoscope.theory.certificates.loop import Loop, Point
from mnemoscope.theory.certificates.metric import Metric, lyapunov_metric
from mnemoscope.theory.certificates.rounding import (
    UNIT,
    UP,
    Norm,
    estimated_norm,
    frobenius,
    gamma,
    proved_norm,
)

SHARES = (0.1, 0.3, 0.6, 0.9)
"""The norms tried: for factors at these parts of the way from the spectral radius to 1. Near the
spectral radius the factor is small and the ball long and thin; near 1 it is the reverse."""

SLACK = 0.1
"""Share of `1 - q` at the center that must remain over the ball: it trades radius for a rate that
is not all but 1. Where `q` grows in proportion to the radius it costs a tenth of it."""

MAX_RADIUS = 2.0**40
"""Largest radius tried, in the norm, whose matrix has length 1: linear maps contract everywhere."""

GIVING_WAY = (0.99, 0.95, 0.85, 0.6, 0.3, 0.1)
"""Factors of the estimated radius that are tried until the proof succeeds."""

FIXED = 1e-6
"""Residual, Euclidean, as a share of the center's length or of 1, above which it is called no fixed
point, and its spectral radius says nothing."""

FIRST_RADII = (2, 8, 32, 128)
"""Radii at which the search begins, in those that the residual would need if the factor were that
of the center all over the ball."""

NARROWING = 1.1
"""The search for a radius ends when the largest that does and the smallest that does not are within
this ratio."""


@dataclass(frozen=True)
class _Ball:
    """A ball in the norm of a metric and what is known, or guessed, about it."""

    metric: Metric
    radius: float
    factor: float
    residual: float
    sense_norm: float
    to_state: float
    moving: int

    @property
    def euclidean(self) -> float:
        """The radius of a Euclidean ball within."""
        return self.radius / self.sense_norm / UP

    @property
    def holds(self) -> bool:
        """Banach's two conditions."""
        return self.factor < 1 and self.residual * UP <= (1 - self.factor) * self.radius


def certify(f: SelfMap | nn.Module, z: Float[Tensor, "*shape"]) -> Certificate:
    """Proves that all orbits from a ball around a state converge to the one fixed point in it.

    The center is the fixed point that float64 finds near `z`, or further down its orbit if there is
    none near; ask `certificate.contains` whether `z` itself is proved to converge to it. For a
    power, `f**p`, it is a cycle that is certified.

    Time and memory: some decompositions of matrices as wide as the narrower of the state and the
    first layer, and a few of matrices with a row and a column for each hidden unit whose slope
    varies over the ball.

    Args:
        f: A fully connected or convolutional network, or a `SelfMap` of such.
        z: `(*shape)`, the state.

    Returns:
        The certificate, which says no, and why, where nothing could be proved.

    Raises:
        MnemoscopeError: the map is another one or too large, or `z` is no finite state of it.

    Example:
        >>> from mnemoscope.nets import FullyConnected
        >>> spec = FullyConnected(shape=(4,), width=16, depth=3, activation="tanh")
        >>> certificate = certify(spec.build(seed=0), torch.zeros(4))
        >>> certificate.certified, certificate.rate < 1
        (True, True)
        >>> bool(certificate.contains(torch.zeros(1, 4)))
        True
    """
    return certify_all(f, torch.as_tensor(z)[None])[0]


def certify_all(f: SelfMap | nn.Module, Z: Float[Tensor, "n *shape"]) -> list[Certificate]:
    """Certifies several states as `certify`; work on the network alone is done once.

    Raises:
        MnemoscopeError: as `certify`.
    """
    f = as_self_map(f)
    loop = Loop(affine_layers(f))
    if tuple(Z.shape[1:]) != f.shape or not bool(torch.isfinite(Z).all()):
        raise MnemoscopeError(
            f"states of shape {tuple(Z.shape[1:])}, or not finite",
            expected=f"finite states of shape {f.shape}",
            todo="reshape them, or remove those with NaN",
            field="Z",
        )
    check_derivatives(f, Z)
    states = Z.detach().to("cpu", torch.float64).flatten(1)
    certificates = [_certify(loop, state) for state in states]
    return [replace(c, center=c.center.reshape(f.shape)) for c in certificates]


def _certify(loop: Loop, state: Float[Tensor, " d"]) -> Certificate:
    center = fixed_point_near(loop, state)
    no = Certificate(False, center, 0.0, math.inf, "", math.inf)
    point = loop.point(center)
    residual = float(torch.linalg.vector_norm(point.image - center))
    J = loop.jacobian(loop.slopes(point.arguments))
    if not math.isfinite(residual + point.image_error) or not bool(torch.isfinite(J).all()):
        return replace(no, reason="no fixed point was found: numbers grow without bound")
    radius = float(torch.linalg.eigvals(J).abs().max())
    no = replace(no, spectral_radius=radius)
    if residual > FIXED * float(torch.linalg.vector_norm(center)) + FIXED:
        return replace(
            no, reason=f"no fixed point was found near: the least residual is {residual:.2g}"
        )
    if not radius < 1:
        return replace(no, reason=f"the spectral radius at the fixed point is {radius:.6g}")
    balls = [_largest(loop, point, J, radius + share * (1 - radius)) for share in SHARES]
    found = [ball for ball in balls if ball is not None]
    if not found:
        return replace(
            no,
            reason=f"the spectral radius is {radius:.6g}, but numbers of 53 bits do not allow a "
            "norm in which the map contracts",
        )
    best = max(found, key=lambda ball: (ball.holds, ball.euclidean if ball.holds else -ball.factor))
    if not best.holds:
        return replace(no, rate=best.factor, reason=_short(best, point))
    weights = unit_weights(loop, best.metric, loop.slopes(point.arguments))
    ball = best
    for share in GIVING_WAY:
        ball = _ball(loop, point, best.metric, weights, share * best.radius, proved_norm)
        distance = _distance(loop, point, ball)
        if ball.holds and distance <= ball.euclidean:
            return Certificate(
                certified=True,
                center=center,
                radius=ball.euclidean,
                rate=max(ball.factor, UNIT),
                reason=_how(ball),
                spectral_radius=radius,
                fixed_point_distance=distance,
                metric=ball.metric.sense,
                metric_radius=ball.radius,
                metric_error=ball.metric.sense_error,
                residual=ball.residual,
                to_state=ball.to_state,
                delay=0 if loop.at_state else 1,
            )
    return replace(no, rate=ball.factor, reason=_short(ball, point))


def _largest(loop: Loop, point: Point, J: Tensor, goal: float) -> _Ball | None:
    """Finds the largest ball for a factor, by estimates; the smallest tried if none holds."""
    metric = lyapunov_metric(loop, J, goal)
    if metric is None:
        return None
    weights = unit_weights(loop, metric, loop.slopes(point.arguments))

    def ball(radius: float) -> _Ball:
        return _ball(loop, point, metric, weights, radius, estimated_norm)

    at_center = ball(0.0)
    if not at_center.factor < 1:
        return at_center
    least = 1 - SLACK * (1 - at_center.factor)

    def good(ball: _Ball) -> bool:
        return ball.holds and ball.factor <= least

    least_radius = at_center.residual / (1 - at_center.factor) + UNIT
    low = ball(FIRST_RADII[0] * least_radius)
    for times in FIRST_RADII[1:]:
        if not good(low):
            low = ball(times * least_radius)
    return _widened(low, ball, good) if good(low) else low


def _widened(low: _Ball, ball: Callable[[float], _Ball], good: Callable[[_Ball], bool]) -> _Ball:
    """Returns the largest good ball, from a good one by growing and then narrowing steps."""
    ratio = 16.0
    while low.radius < MAX_RADIUS and good(higher := ball(min(ratio * low.radius, MAX_RADIUS))):
        low, ratio = higher, ratio**2
    while ratio > NARROWING and low.radius < MAX_RADIUS:
        ratio = ratio**0.5
        middle = ball(ratio * low.radius)
        if good(middle):
            low = middle
    return low


def _ball(
    loop: Loop, point: Point, metric: Metric, weights: list[Tensor], radius: float, norm: Norm
) -> _Ball:
    found = contraction(loop, point, metric, weights, radius, norm)
    sense_norm = norm(metric.sense, metric.sense_error)
    step = point.image - point.state
    length = frobenius(step)
    rounding = gamma(len(step)) * frobenius(metric.sense) + metric.sense_error
    residual = frobenius(metric.sense @ step) + rounding * length
    residual += sense_norm * (point.image_error + UNIT * length)
    return _Ball(
        metric, radius, found.factor, residual * UP, sense_norm, found.to_state, found.moving
    )


def _distance(loop: Loop, point: Point, ball: _Ball) -> float:
    """Bounds how far the fixed point is from the center, in Euclidean length."""
    if not ball.holds:
        return math.inf
    distance = ball.to_state * ball.residual / (1 - ball.factor) * UP
    if loop.at_state:
        return distance
    # `x* - f(c) = h(y*) - h(y_c)`, and from there to the center.
    return (distance + frobenius(point.image - point.state) * UP + point.image_error) * UP


def _how(ball: _Ball) -> str:
    moving = "no unit changes its slope"
    if ball.moving:
        moving = f"the slopes of {ball.moving} units may vary"
    return (
        f"Banach's theorem, with the factor {ball.factor:.4g} in the norm over a ball in which "
        f"{moving}"
    )


def _short(ball: _Ball, point: Point) -> str:
    if ball.radius == 0:
        return f"the factor is {ball.factor:.8g} at the center in the best norm found"
    residual = float(torch.linalg.vector_norm(point.image - point.state))
    return (
        f"a residual of {residual:.2g} and rounding of {point.image_error:.2g} need a ball of "
        f"radius {ball.euclidean:.2g} or more, over which the factor is {ball.factor:.8g}"
    )
