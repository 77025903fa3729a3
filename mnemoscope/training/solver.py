"""What brings a network's loss down, one network at a time: the interface that `train` drives."""

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class Solver(ABC):
    """An optimizer together with its way to the gradient.

    Attributes:
        net: The network; what it is at any time is what has been trained so far.
        by_chance: Whether a step may draw random numbers (dropout).
        in_eval_mode: Whether it takes the network as it is in eval mode.
        stalled: Whether it can go no further, whatever the number of steps.
    """

    by_chance = True
    in_eval_mode = False
    stalled = False

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    @abstractmethod
    def descend(
        self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], steps: int, lr: float
    ) -> tuple[int, float]:
        """Takes up to so many full-batch steps: how many, at least 1, and the loss on the way.

        The loss is that before the last step, or a later one.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, besides the weights: plain values and tensors."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave; the network has its weights already."""

    @abstractmethod
    def close(self) -> None:
        """Leaves the network as a module like any other, without gradients."""


class Stepwise(Solver):
    """A solver that takes one step at a time and may see a part of the examples in each."""

    @abstractmethod
    def step(self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], lr: float) -> None:
        """Takes one step on these examples."""

    @abstractmethod
    def loss(self) -> Float[Tensor, ""]:
        """The loss on the examples of the last step, before it."""

    def descend(
        self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], steps: int, lr: float
    ) -> tuple[int, float]:
        """Takes so many full-batch steps: their number, and the loss before the last of them."""
        for _ in range(steps):
            self.step(X, Y, lr)
        return steps, float(self.loss())
