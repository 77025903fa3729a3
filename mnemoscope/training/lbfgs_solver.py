"""Any network, by L-BFGS on the full batch."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.training.autograd_solver import backward
from mnemoscope.training.chance import rewinder
from mnemoscope.training.optimizers import make_optimizer, set_rate
from mnemoscope.training.rescaled_lbfgs import RescaledLBFGS
from mnemoscope.training.solver import Solver


class LBFGSSolver(Solver):
    """`RescaledLBFGS` of any module."""

    def __init__(self, net: nn.Module, parameters: Sequence[Tensor], *, lr: float) -> None:
        super().__init__(net)
        optimizer = make_optimizer("lbfgs", list(parameters), lr=lr, momentum=0.0, weight_decay=0.0)
        assert isinstance(optimizer, RescaledLBFGS)
        self._optimizer = optimizer

    def descend(
        self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], steps: int, lr: float
    ) -> tuple[int, float]:
        """Takes up to `steps` iterations: their number, and the loss after them.

        Within a call chance is drawn once: a line search compares values of one function.
        """
        set_rate(self._optimizer, lr)
        rewind = rewinder(X.device)

        def closure() -> Tensor:
            rewind()
            return backward(self.net, self._optimizer, X, Y)

        return self._optimizer.advance(closure, steps, buffers=list(self.net.buffers()))

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, besides the weights."""
        return self._optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave."""
        self._optimizer.load_state_dict(state)

    def close(self) -> None:
        """Leaves the network without gradients."""
        self._optimizer.zero_grad(set_to_none=True)
