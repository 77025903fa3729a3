"""The end of a training with `stop="contraction"`: contraction at the examples has settled.

Every `PROBE_STEPS` steps spectral radii are computed at up to `PROBED` examples. Contraction has
settled when over `PROBES` probes in a row `STEADY` of the radii have not moved by more than
`LARGEST_CHANGE` from what they were before them, so that a slow drift counts too. Not all: an
example next to a kink of the activations has another radius on each side of it, and goes on
crossing it. Changes are absolute, since it is the side of 1 that matters; one that stays within
`LARGEST_CHANGE` of 1 cannot be decided by waiting.
Before the loss is small nothing has been learned: new networks contract everywhere, and steadily.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mnemoscope.linalg import spectral_radius
from mnemoscope.nets import FullyConnected, Network, Spec
from mnemoscope.nets.modules import eval_mode
from mnemoscope.nets.stack import network_from
from mnemoscope.training.networks import is_plain
from mnemoscope.training.replicas import has_small_cores, stack_spectral_radius

LARGEST_LOSS = 1e-2
"""The training loss above which contraction is not looked at, in squared units."""

PROBE_STEPS = 50
"""Steps between two probes, at least."""

PROBES = 4
"""Probes in a row that must agree with the one before them."""

LARGEST_CHANGE = 0.03
"""The largest change of a spectral radius in them."""

STEADY = 0.75
"""Share of the radii that must not change more."""

PROBED = 16
"""The most examples that are probed, evenly spread over all."""

SETTLED = "contraction at the examples no longer changed"
"""The reason why a training ended."""


@dataclass(frozen=True)
class Settling:
    """How long contraction at the examples has not changed.

    Attributes:
        step: The step of the last probe.
        radii: The spectral radii at the probe that later ones are compared with; empty before it.
        quiet: Probes since then, all in agreement with it.
    """

    step: int = 0
    radii: tuple[float, ...] = ()
    quiet: int = 0

    @property
    def over(self) -> bool:
        """Whether it has settled."""
        return self.quiet >= PROBES

    def due(self, step: int, loss: float) -> bool:
        """Decides whether to probe at a step with this loss."""
        return not self.over and loss <= LARGEST_LOSS and step - self.step >= PROBE_STEPS

    def after(self, radii: Sequence[float], step: int) -> "Settling":
        """Returns the state after one more probe."""
        if self.radii:
            pairs = zip(radii, self.radii, strict=True)
            steady = sum(abs(now - then) <= LARGEST_CHANGE for now, then in pairs)
            if steady >= STEADY * len(radii):
                return replace(self, step=step, quiet=self.quiet + 1)
        return Settling(step, tuple(radii))


def probed(count: int) -> Int[Tensor, " m"]:
    """Returns the indices of the examples that are probed, of `count`."""
    return torch.linspace(0, count - 1, min(PROBED, count), dtype=torch.float64).long().unique()


def probe(net: nn.Module, X: Float[Tensor, "n *shape"]) -> list[float]:
    """Computes the spectral radii at the probed examples, in eval mode.

    Raises:
        MnemoscopeError: the network is no self-map (its outputs depend on the batch, or on chance).
    """
    if isinstance(net, Network) and is_plain(net) and has_small_cores(net.spec):
        return probe_each(net.spec, [p.detach()[None] for p in net.parameters()], [X])[0]
    with eval_mode(net):
        return spectral_radius(net, X[probed(len(X)).to(X.device)]).tolist()


def probe_each(
    spec: Spec,
    parameters: Sequence[Float[Tensor, "r *shape"]],
    X: Sequence[Float[Tensor, "n *shape"]],
) -> list[list[float]]:
    """Computes the spectral radii of networks of one spec at the probed examples of each.

    Args:
        spec: What they are built from.
        parameters: `(R, *shape)` each.
        X: The examples of each.
    """
    states = [x[probed(len(x)).to(x.device)] for x in X]
    if has_small_cores(spec):
        assert isinstance(spec, FullyConnected)
        return stack_spectral_radius(spec, parameters, torch.stack(states)).tolist()
    radii = []
    for r, z in enumerate(states):
        net = network_from(spec, [values[r] for values in parameters])
        with eval_mode(net):
            radii.append(spectral_radius(net, z).tolist())
    return radii
