"""Levenberg-Marquardt in function space: to interpolation, quadratically at the end.

With the residual `r = f(X) - Y`, `N = n d` entries, and its Jacobian `J` in the `P` parameters, a
step minimizes the linear model `||r + J s||^2 + lambda ||s||^2` (Levenberg 1944, Marquardt 1963).
It is found by a system of `N` unknowns, not `P`, with the tangent kernel `J J^T`; see
`mnemoscope.training.linear_model` and `mnemoscope.training.tangent_kernel`.

The damping is `lambda = mu k loss / mean(Y^2)` with `k` the kernel's mean diagonal, so that `mu`
has no unit. By the factor `loss` it vanishes with the residual, and exact steps converge
quadratically (Yamashita and Fukushima 2001). A step begins with the `mu` of the step before. Where
that does not lower the loss it is raised, by 4, 8, 16 and so on, until it does; where it does, a
quarter of it is tried, for as long as that lowers the loss further. Each attempt is a solve and an
evaluation, which cost a fraction of the kernel that they share. Steering `mu` by the gain (decrease
over predicted decrease, Nielsen 1999) took as many steps to twice as many from first weights, and
ended on the plateau of deep sigmoids, where the residual lies in what the kernel makes far smaller
than `k`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from mnemoscope.nets.modules import eval_mode
from mnemoscope.training.linear_model import Step, linear_model
from mnemoscope.training.networks import trainable
from mnemoscope.training.parameter_linearization import split

FIRST_DAMPING = 0.1
"""`mu` at first. At 0.01 a deep network's first step can throw it where little is to be gained."""

FACTOR = 4.0
"""The factor that divides `mu`, or multiplies it at first."""

NEGLIGIBLE = 1e-8
"""A predicted share of the loss that is lost in float32's rounding of it: no step goes further."""

CHUNK = 1024
"""Examples evaluated at once."""


class GaussNewton:
    """Levenberg-Marquardt for the mean squared error of a network over all its examples.

    The network is taken as it is in eval mode. Its loss is that of its outputs in its own dtype,
    the squares summed in float64. Derivative, solve and step are in float64, and the step is
    rounded to the parameters' dtype; so each step works on what the rounding before it left, and in
    float32 the loss ends near 1e-14 for entries of order 1, at the rounding of the outputs.

    With up to 3,072 output entries the kernel is formed and factored: 216 MiB at most, besides some
    times `N` numbers for each unit of the widest layer, or at most 256 MiB for the Jacobian of a
    network that is not fully connected. Beyond either bound steps are found by conjugate gradients,
    which hold two float64 gradients of the whole batch and five vectors of `P` entries.

    Attributes:
        net: The network; frozen parameters stay as they are.
        loss: Its mean squared error now; NaN before the first step.
        stalled: Whether it can go no further: the gradient is zero, or no damping helps.
    """

    def __init__(self, net: nn.Module) -> None:
        trainable(net)
        self.net = net
        self.loss = math.nan
        self.stalled = False
        self._mu = FIRST_DAMPING

    def advance(
        self,
        X: Float[Tensor, "n *shape"],
        Y: Float[Tensor, "n *shape"],
        iterations: int,
        *,
        tol: float,
    ) -> int:
        """Takes up to `iterations` steps, until the loss is at most `tol`; returns their number.

        It is at least 1: a step that no damping makes lower the loss counts, leaves the network as
        it is and is the last.
        """
        taken = 0
        with eval_mode(self.net):
            while True:
                self._step(X, Y)
                taken += 1
                if self.stalled or self.loss <= tol or taken >= iterations:
                    return taken

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that the next step depends on besides the weights."""
        return {"mu": self._mu}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self._mu = state["mu"]

    @torch.no_grad()
    def _step(self, X: Tensor, Y: Tensor) -> None:
        iterate = _Iterate(self.net, X, Y)
        trial = iterate.search(self._mu)
        # Written so that NaN ends it, too.
        self.stalled = not trial.loss < iterate.loss
        self.loss = iterate.loss
        if not self.stalled:
            self.loss, self._mu = trial.loss, trial.mu
            for name, parameter in iterate.parameters.items():
                parameter.copy_(trial.parameters[name])


@dataclass(frozen=True)
class _Trial:
    """A trial point: its parameters by name, its loss, its `mu`, and the step that led there."""

    parameters: dict[str, Tensor]
    loss: float
    mu: float
    step: Step


class _Iterate:
    """A network at its weights, from where a step is to be taken."""

    def __init__(self, net: nn.Module, X: Tensor, Y: Tensor) -> None:
        self._net, self._X, self._Y = net, X, Y
        self.parameters = {name: p for name, p in net.named_parameters() if p.requires_grad}
        self._residual = self._residual_with(self.parameters)
        self.loss = _mean_square(self._residual)
        self._model = linear_model(net, X)
        # Targets of zero are measured in units of 1.
        self._share = min(1.0, self.loss / (_mean_square(Y.double()) or 1.0))

    def search(self, mu: float) -> _Trial:
        """Finds the step with this `mu`, raised until the loss falls, or lowered if it helps."""
        trial, factor = self._try(mu), FACTOR
        if trial.loss < self.loss:
            while trial.step.short:
                lower = self._try(trial.mu / FACTOR)
                if not lower.loss < trial.loss:
                    break
                trial = lower
        # A step that was not found to the end says nothing about those with more damping, whose
        # systems are better conditioned.
        while (
            not trial.loss < self.loss
            and (trial.step.predicted > NEGLIGIBLE or not trial.step.exact)
            and math.isfinite(trial.mu)
        ):
            trial, factor = self._try(trial.mu * factor), 2 * factor
        return trial

    def _try(self, mu: float) -> _Trial:
        model = self._model
        unit = model.scale * self._share
        damping = max(mu * unit, model.floor)
        step = model.step(self._residual, damping, share=self._share)
        weights = split(self._net, model.linear.weights + step.change)
        rounded = {name: w.to(self.parameters[name].dtype) for name, w in weights.items()}
        loss = _mean_square(self._residual_with(rounded))
        return _Trial(rounded, loss, damping / unit if unit else mu, step)

    def _residual_with(self, parameters: Mapping[str, Tensor]) -> Float[Tensor, " N"]:
        """Computes `f(X) - Y` in float64, flat, with these parameters."""
        differences = [
            functional_call(self._net, dict(parameters), (x,)).double() - y.double()
            for x, y in zip(self._X.split(CHUNK), self._Y.split(CHUNK), strict=True)
        ]
        return torch.cat(differences).flatten()


def _mean_square(values: Tensor) -> float:
    return float(values.square().mean())
