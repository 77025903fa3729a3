"""A fully connected network, by its gradient written out; one pass over its parameters a step."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.nets import FullyConnected, Network
from mnemoscope.nets.fully_connected_stack import FullyConnectedStack
from mnemoscope.nets.plain import plain_layers
from mnemoscope.training.descent import Descent
from mnemoscope.training.solver import Stepwise


def is_plain(net: nn.Module) -> bool:
    """Whether the network is just what its fully connected spec says, all of it to be trained.

    Then the gradient written out for the spec is the network's.
    """
    parameters = list(net.parameters())
    return (
        plain_layers(net) is not None
        and all(p.requires_grad for p in parameters)
        and len({(p.dtype, p.device) for p in parameters}) == 1
    )


class StackSolver(Stepwise):
    """A first-order optimizer of a fully connected network: a stack of one.

    While it lives the network's parameters are parts of the stack's, so they change together.
    """

    by_chance = False

    def __init__(self, net: Network, name: str, *, momentum: float, weight_decay: float) -> None:
        super().__init__(net)
        assert isinstance(net.spec, FullyConnected)
        self._parameters = list(net.parameters())
        self._stack = FullyConnectedStack(net.spec, [p.detach()[None] for p in self._parameters])
        self._descent = Descent(
            name,
            self._stack.layout,
            self._stack.values,
            self._stack.gradient,
            momentum=momentum,
            weight_decay=[weight_decay],
        )
        for parameter, values in zip(self._parameters, self._stack.parameters, strict=True):
            parameter.data = values[0]
        self._rates: Sequence[float] = ()
        self._error: Tensor

    def step(self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], lr: float) -> None:
        """Takes one step on these examples."""
        if self._rates != (lr,):
            self._rates = (lr,)
        self._error = self._stack.pull(X[None], Y[None])
        self._descent.step(self._rates)

    def loss(self) -> Float[Tensor, ""]:
        """The loss on the examples of the last step, before it."""
        return self._error.square().mean()

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, besides the weights."""
        return self._descent.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave."""
        self._descent.load_state_dict(state)

    def close(self) -> None:
        """Gives the network's parameters memory of their own again."""
        with torch.no_grad():
            for parameter in self._parameters:
                parameter.data = parameter.data.clone()
