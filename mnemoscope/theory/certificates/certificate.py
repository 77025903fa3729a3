"""A certificate, and its consequences."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.base.check import invalid
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.theory.certificates.rounding import UP, frobenius, gamma, row_norms


@dataclass(frozen=True, eq=False)
class Certificate:
    """A proof about the orbits that start near a state.

    If `certified`: the ball of `radius` around `center` holds exactly one fixed point `x*` of `f`,
    and every orbit that starts in the ball converges to it. So does every orbit that starts in the
    set of all `x` with `|metric (x - center)| <= metric_radius`, which holds the ball and is mapped
    into itself; in the norm `|metric v|` each step brings two states of it nearer to each other by
    the factor `rate`.

    `f` is the map of real numbers whose parameters are the network's. For orbits that are computed,
    and so rounded in every step, see `floor`.

    Attributes:
        certified: Whether anything was proved. If not, `radius` is 0 and `reason` says why.
        center: `(*shape)` float64: the fixed point as float64 has it, found near the state asked
            about.
        radius: Of the ball, Euclidean.
        rate: Bounds the factor of a step in the norm, below 1. If nothing was proved: the smallest
            that could be shown, infinite if none was looked for.
        reason: The argument of the proof, or why and by how much it fell short.
        spectral_radius: Of the Jacobian at the center, as float64 finds it: not proved.
        fixed_point_distance: Bounds `|x* - center|`, Euclidean; infinite if nothing was proved.
        metric: `(n, d)`; `n` is less than `d` where the network reads less of a state.
        metric_radius: Of the set in the norm of `metric`.
        metric_error: Largest distance of the norm's true matrix from `metric`.
        residual: Bounds `|metric (f(center) - center)|`.
        to_state: Bounds how many times longer, as Euclidean states, differences can be than they
            are in the norm: at once if `delay` is 0, after a step if it is 1.
        delay: 0 where the norm is one of states; 1 where it is only one of what is read of them.
    """

    certified: bool
    center: Float[Tensor, "*shape"]
    radius: float
    rate: float
    reason: str
    spectral_radius: float
    fixed_point_distance: float = math.inf
    metric: Float[Tensor, "n d"] | None = None
    metric_radius: float = 0.0
    metric_error: float = 0.0
    residual: float = math.inf
    to_state: float = math.inf
    delay: int = 0

    def steps_to(self, eps: float) -> int:
        """Bounds the steps after which every orbit from the ball stays within `eps` of the point.

        The smallest `t` for which `to_state rate^(t - delay) D <= eps`, where `D = metric_radius +
        residual / (1 - rate)` bounds the distance of a start to the fixed point in the norm. It is
        a bound; most orbits take fewer.

        Args:
            eps: Euclidean, above 0.

        Raises:
            MnemoscopeError: nothing was proved, or `eps` is not above 0.
        """
        self._check()
        if not eps > 0:
            raise invalid("eps", eps, "a distance above 0")
        distance = self.to_state * (self.metric_radius + self._offset) * UP
        if distance <= eps:
            return self.delay
        steps = math.log(distance / eps) / -math.log(self.rate)
        return self.delay + math.ceil(steps * UP + 1e-9)

    def contains(self, Z: Float[Tensor, "n *shape"]) -> Bool[Tensor, " n"]:
        """Decides which states are proved to converge to the fixed point: those of ball and set.

        A state on the edge may be excluded, for rounding; none is included wrongly.

        Raises:
            MnemoscopeError: they are no states of the map.
        """
        if Z.ndim != self.center.ndim + 1 or Z.shape[1:] != self.center.shape:
            raise MnemoscopeError(
                f"states of shape {tuple(Z.shape)}",
                expected=f"a batch (n, {', '.join(map(str, self.center.shape))})",
                todo="reshape them, or pass one state as z[None]",
                field="Z",
            )
        if not self.certified or self.metric is None:
            return torch.zeros(len(Z), dtype=torch.bool)
        V = Z.detach().to("cpu", torch.float64).flatten(1) - self.center.flatten()
        lengths = row_norms(V) * UP
        # Of each entry of the product: as many products as `d`, and the difference rounded before.
        off = gamma(V.shape[1] + 1) * frobenius(self.metric) + self.metric_error
        measured = row_norms(V @ self.metric.T) + off * lengths
        return (lengths <= self.radius) | (measured * UP <= self.metric_radius)

    def floor(self, error: float) -> float:
        """Bounds the distance to the fixed point within which a computed orbit stays in the end.

        For an orbit `x_(t+1) = f(x_t) + e_t` from the ball with errors `|e_t| <= error` (Euclidean)
        in every step, such as rounding to float32 makes, the norm of the distance to the fixed
        point is at most `rate` times what it was, plus `|metric| error`. It ends below
        `|metric| error / (1 - rate)`, and in the set all the time if there is room for the errors.

        Args:
            error: Error of one step, Euclidean. Rounding to nearest float32 alone has
                `2^-24 |f(x)|`; a network's sums add to it.

        Returns:
            A Euclidean distance; infinite where the errors may lead out of the set.

        Raises:
            MnemoscopeError: nothing was proved, or the error is negative.
        """
        self._check()
        if not error >= 0:
            raise invalid("error", error, "a length, 0 or more")
        assert self.metric is not None
        inward = (frobenius(self.metric) + self.metric_error) * error * UP
        if inward + self.residual > (1 - self.rate) * self.metric_radius:
            return math.inf
        return (self.to_state * inward / (1 - self.rate) + self.delay * error) * UP

    @property
    def _offset(self) -> float:
        return self.residual / (1 - self.rate) * UP

    def _check(self) -> None:
        if not self.certified:
            raise MnemoscopeError(
                f"a certificate that proves nothing ({self.reason})",
                expected="one with certified=True",
                todo="ask only those that are certified",
            )
