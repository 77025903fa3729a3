"""R networks of one spec computed as one: a parameter tensor has a row for each network.

Products with R weight matrices are one batched product, R convolutions one with R groups. So the
overhead of a step is paid once, not R times.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.nets.initialization import initialize
from mnemoscope.nets.layout import Layout
from mnemoscope.nets.spec import Network, Spec


class Stack(ABC):
    """R networks of one spec.

    Attributes:
        spec: The spec of each network.
        layout: Where each parameter lies in the flat tensors.
        values: All parameters, flat.
        gradient: The gradient that `pull` found last, in the same layout.
        parameters: `(R, *shape)` each, parts of `values`, in the order of a network's own.
        gradients: The parts of `gradient`, one for each parameter.
    """

    def __init__(self, spec: Spec, parameters: Sequence[Float[Tensor, "r *shape"]]) -> None:
        """Takes a copy of the parameters."""
        self.spec = spec
        self.layout = Layout.of(parameters)
        self.values = self.layout.join([values.detach() for values in parameters])
        self.gradient = torch.zeros_like(self.values)
        self.parameters = self.layout.views(self.values)
        self.gradients = self.layout.views(self.gradient)

    def __len__(self) -> int:
        return len(self.parameters[0])

    @abstractmethod
    def forward(self, Z: Float[Tensor, "r n *shape"]) -> Float[Tensor, "r n *shape"]:
        """Evaluates every network at its own batch of states; builds no graph."""

    @abstractmethod
    def pull(
        self, X: Float[Tensor, "r n *shape"], Y: Float[Tensor, "r n *shape"]
    ) -> Float[Tensor, "r n *shape"]:
        """Leaves in `gradient` that of each network's mean squared error; returns `f(X) - Y`.

        The next call overwrites the returned tensor.
        """


def network_from(spec: Spec, parameters: Sequence[Float[Tensor, "*shape"]]) -> Network:
    """Builds the network of a spec with a copy of these parameters, dtype and device included."""
    like = parameters[0]
    network = spec.allocate(like.device).to(like.dtype)
    with torch.no_grad():
        for own, given in zip(network.parameters(), parameters, strict=True):
            own.copy_(given)
    return network


def drawn_parameters(
    spec: Spec,
    seeds: Sequence[int],
    *,
    scales: Sequence[float],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> list[Float[Tensor, "r *shape"]]:
    """Draws the parameters that `spec.build` draws for each seed, scales and stacks them."""
    model = spec.build(seed=seeds[0])
    own = [parameter.detach() for parameter in model.parameters()]
    stacked = [p.new_empty(len(seeds), *p.shape, dtype=dtype) for p in own]
    for row, (seed, scale) in enumerate(zip(seeds, scales, strict=True)):
        initialize(model, init=spec.init, activation=spec.activation, seed=seed)
        for values, parameter in zip(stacked, own, strict=True):
            values[row] = parameter if scale == 1 else scale * parameter
    return [values.to(device) for values in stacked]
