"""Any network, by PyTorch's gradients and PyTorch's first-order optimizers."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from mnemoscope.training.optimizers import make_optimizer, set_rate
from mnemoscope.training.solver import Stepwise


class AutogradSolver(Stepwise):
    """A first-order optimizer of any module."""

    def __init__(
        self,
        net: nn.Module,
        parameters: Sequence[Tensor],
        name: str,
        *,
        lr: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        super().__init__(net)
        self._optimizer = make_optimizer(
            name, list(parameters), lr=lr, momentum=momentum, weight_decay=weight_decay
        )
        self._lr = lr
        self._loss: Tensor

    def step(self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], lr: float) -> None:
        """Takes one step on these examples."""
        if lr != self._lr:
            set_rate(self._optimizer, lr)
            self._lr = lr
        self._loss = backward(self.net, self._optimizer, X, Y)
        self._optimizer.step()

    def loss(self) -> Float[Tensor, ""]:
        """The loss on the examples of the last step, before it."""
        return self._loss

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, besides the weights."""
        return self._optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave."""
        self._optimizer.load_state_dict(state)
        self._lr = self._optimizer.param_groups[0]["lr"]

    def close(self) -> None:
        """Leaves the network without gradients."""
        self._optimizer.zero_grad(set_to_none=True)


def backward(
    net: nn.Module,
    optimizer: Optimizer,
    X: Float[Tensor, "n *shape"],
    Y: Float[Tensor, "n *shape"],
) -> Float[Tensor, ""]:
    """Leaves the gradient of the mean squared error in the parameters; the loss."""
    optimizer.zero_grad(set_to_none=True)
    loss = nn.functional.mse_loss(net(X), Y)
    loss.backward()
    return loss.detach()
