"""First-order steps on flat tensors: PyTorch's own, one call for all the parameters of a stack.

The optimizer's state is flat like the parameters and goes through memory once, in the pieces that
their layout names. Where replicas
differ in their rate or weight decay, the optimizer moves a displacement that starts at zero with
rate 1, and each replica then moves by its own rate times it: every optimizer here is linear in its
rate.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from mnemoscope.nets.layout import Layout

_fused_adam = torch.ops.aten._fused_adam_.default
"""PyTorch's kernel itself: what its function does around it takes as long as a small product."""

_STATE = {"adam": ("mean", "square"), "gradient_descent": ("velocity",), "rmsprop": ("square",)}


class Descent:
    """A first-order optimizer of R networks whose parameters lie in one flat tensor.

    Attributes:
        name: A name in `FIRST_ORDER`.
        layout: Where each parameter lies.
        state: Flat tensors by name: running means of the gradient, of its square, its velocity.
        steps: Steps taken, as a tensor without axes.
    """

    def __init__(
        self,
        name: str,
        layout: Layout,
        values: Float[Tensor, " size"],
        gradient: Float[Tensor, " size"],
        *,
        momentum: float,
        weight_decay: Sequence[float],
    ) -> None:
        """Begins with a state of zeros.

        Args:
            name: A name in `FIRST_ORDER`.
            layout: Where each parameter lies.
            values: The flat parameters, which a step moves in place.
            gradient: Theirs, from which a step reads; with an L2 penalty it is changed too.
            momentum: Of gradient descent.
            weight_decay: Of each network; decoupled for Adam, an L2 penalty otherwise.
        """
        self.name, self.layout, self.momentum = name, layout, momentum
        self.weight_decay = list(weight_decay)
        self.state = {key: torch.zeros_like(values) for key in _STATE[name]}
        self.steps = torch.zeros((), dtype=torch.float32, device=values.device)
        self._values, self._gradient = values, gradient
        self._decay = self._rates = self._displacement = values.new_empty(0)
        if any(self.weight_decay):
            self._decay = layout.spread(values.new_tensor(self.weight_decay))
        self._moved = layout.pieces(values)
        self._displaced: list[Tensor] = []
        self._read = layout.pieces(gradient), [layout.pieces(s) for s in self.state.values()]
        self._another = torch.ones_like(self.steps)
        self._rates_of: Sequence[float] = ()
        self._one = True

    @torch.no_grad()
    def step(self, rates: Sequence[float]) -> None:
        """Moves the values down the gradient, each network by its own rate.

        Args:
            rates: The learning rate of each network. The same list as in the step before, if they
                are unchanged: then nothing is made anew.
        """
        values = self._values
        if rates is not self._rates_of:
            self._rates_of = rates
            self._one = len(set(rates)) == 1
            if not self._one:
                self._rates = self.layout.spread(values.new_tensor(list(rates)))
        one = self._one
        if len(self._decay) and self.name != "adam":
            self._gradient.addcmul_(values, self._decay)
        elif len(self._decay):
            rate = rates[0] if one else self._rates
            values.mul_(1 - rate * self._decay)
        if one:
            self._move(self._moved, rates[0])
            return
        if not self._displaced:
            self._displacement = torch.empty_like(values)
            self._displaced = self.layout.pieces(self._displacement)
        self._displacement.zero_()
        self._move(self._displaced, 1.0)
        values.addcmul_(self._displacement, self._rates)

    def only(
        self,
        rows: Sequence[int],
        values: Float[Tensor, " size"],
        gradient: Float[Tensor, " size"],
    ) -> "Descent":
        """The optimizer of some of the networks, with their state.

        Args:
            rows: Which networks.
            values: Their flat parameters, in this order.
            gradient: Theirs.
        """
        layout = Layout(self.layout.shapes, len(rows))
        decay = [self.weight_decay[row] for row in rows]
        new = Descent(
            self.name, layout, values, gradient, momentum=self.momentum, weight_decay=decay
        )
        for key, flat in self.state.items():
            for view, all_rows in zip(
                layout.views(new.state[key]), self.layout.views(flat), strict=True
            ):
                view.copy_(all_rows[rows])
        new.steps.copy_(self.steps)
        return new

    def _move(self, values: list[Tensor], rate: float) -> None:
        gradient, state = self._read
        if self.name == "adam":
            self.steps.add_(self._another)
            _fused_adam(
                values, gradient, *state, [], [self.steps] * len(values), amsgrad=False, beta1=0.9,
                beta2=0.999, lr=rate, weight_decay=0.0, eps=1e-8, maximize=False,
            )  # fmt: skip
        elif self.name == "gradient_descent":
            sgd(
                values, gradient, [*state[0]], foreach=False, fused=True, weight_decay=0.0,
                momentum=self.momentum, lr=rate, dampening=0.0, nesterov=False, maximize=False,
            )  # fmt: skip
            self.steps.add_(self._another)
        else:
            counted = [self.steps, *(torch.zeros_like(self.steps) for _ in values[1:])]
            rmsprop(
                values, gradient, state[0], [], [], counted, foreach=True, lr=rate, alpha=0.99,
                eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False,
            )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors."""
        return {**self.state, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave."""
        for key, tensor in self.state_dict().items():
            tensor.copy_(state[key])
