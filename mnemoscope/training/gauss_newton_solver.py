"""Any network, by Levenberg-Marquardt in function space, on the full batch."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.training.gauss_newton import GaussNewton
from mnemoscope.training.solver import Solver


class GaussNewtonSolver(Solver):
    """`GaussNewton` of any module, down to a loss."""

    by_chance = False
    in_eval_mode = True

    def __init__(self, net: nn.Module, *, tol: float) -> None:
        super().__init__(net)
        self._method = GaussNewton(net)
        self._tol = tol

    def descend(
        self, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"], steps: int, lr: float
    ) -> tuple[int, float]:
        """Takes one step, for each may be long: 1, and the loss after it."""
        taken = self._method.advance(X, Y, 1, tol=self._tol)
        self.stalled = self._method.stalled or self._method.loss <= self._tol
        return taken, self._method.loss

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, besides the weights."""
        return self._method.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave."""
        self._method.load_state_dict(state)

    def close(self) -> None:
        """Leaves the network without gradients."""
        for parameter in self.net.parameters():
            parameter.grad = None
