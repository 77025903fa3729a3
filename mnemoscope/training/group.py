"""Replicas trained side by side: one stack, one optimizer, as many as the cache holds.

One group is trained to its end before the next one begins. So its parameters stay in the cache from
step to step, and no more optimizer state exists than that of one group.

`Descent` takes first-order steps on flat tensors: PyTorch's own, one call for all the parameters of
a stack. The optimizer's state is flat like the parameters and goes through memory once, in the
pieces that their layout names. Where replicas differ in their rate, the optimizer moves a
displacement that starts at zero with rate 1, and each replica then moves by its own rate times it:
every optimizer here is linear in its rate.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from mnemoscope.base.memory import batch_size_within
from mnemoscope.nets.spec import Spec
from mnemoscope.nets.stack import Stack, make_stack
from mnemoscope.training.noise import InputNoise

_fused_adam = torch.ops.aten._fused_adam_.default
"""PyTorch's kernel itself: what its function does around it takes as long as a small product."""

_STATE = {"adam": ("mean", "square"), "gradient_descent": ("velocity",), "rmsprop": ("square",)}


_ADAM: dict[str, Any] = {
    "amsgrad": False,
    "beta1": 0.9,
    "beta2": 0.999,
    "weight_decay": 0.0,
    "eps": 1e-8,
}

_SGD: dict[str, Any] = {
    "weight_decay": 0.0,
    "dampening": 0.0,
    "nesterov": False,
    "foreach": False,
    "fused": True,
}

_RMSPROP: dict[str, Any] = {
    "alpha": 0.99,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "momentum": 0.0,
    "centered": False,
}


class Descent:
    """A first-order optimizer of the R networks of a stack, whose values a step moves in place.

    With an L2 penalty a step changes the stack's gradient, too.

    Attributes:
        name: A name in `FIRST_ORDER`.
        layout: Where each parameter lies in the flat tensors.
        momentum: Momentum of gradient descent.
        weight_decay: That of each network; decoupled for Adam, an L2 penalty otherwise.
        state: Flat tensors by name: running means of the gradient, of its square, its velocity.
        steps: Steps taken, as a tensor without axes.
    """

    def __init__(
        self, name: str, stack: Stack, *, momentum: float, weight_decay: Sequence[float]
    ) -> None:
        layout, values, gradient = stack.layout, stack.values, stack.gradient
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

        Where `rates` is the same list as in the step before, nothing is rebuilt.
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

    def only(self, rows: Sequence[int], stack: Stack) -> "Descent":
        """Returns the optimizer of some of the networks, which `stack` holds, with their state."""
        decay = [self.weight_decay[row] for row in rows]
        new = Descent(self.name, stack, momentum=self.momentum, weight_decay=decay)
        for key, flat in self.state.items():
            for view, all_rows in zip(
                stack.layout.views(new.state[key]), self.layout.views(flat), strict=True
            ):
                view.copy_(all_rows[rows])
        new.steps.copy_(self.steps)
        return new

    def _move(self, values: list[Tensor], rate: float) -> None:
        gradient, state = self._read
        if self.name == "adam":
            self.steps.add_(self._another)
            steps = [self.steps] * len(values)
            _fused_adam(values, gradient, *state, [], steps, lr=rate, maximize=False, **_ADAM)
        elif self.name == "gradient_descent":
            velocity: list[Tensor | None] = [*state[0]]
            sgd(values, gradient, velocity, lr=rate, momentum=self.momentum, maximize=False, **_SGD)
            self.steps.add_(self._another)
        else:
            steps = [self.steps, *(torch.zeros_like(self.steps) for _ in values[1:])]
            rmsprop(values, gradient, state[0], [], [], steps, foreach=True, lr=rate, **_RMSPROP)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state, as tensors."""
        return {**self.state, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        for key, tensor in self.state_dict().items():
            tensor.copy_(state[key])


WORKING_SET = 12 * 2**20
"""Bytes of parameters, gradients and optimizer state of a group on a CPU: what stays in the cache
from one step to the next."""

FEWEST = 2
"""Minimum number of replicas in a group, however large: with one alone a second core is idle."""


class Group:
    """Some replicas, computed as one: their networks, and the learning rate of each."""

    def __init__(
        self,
        stack: Stack,
        descent: Descent,
        X: Float[Tensor, "r n *shape"],
        Y: Float[Tensor, "r n *shape"],
        rates: Sequence[float],
        noise: InputNoise | None = None,
    ) -> None:
        self.stack = stack
        self.rates = list(rates)
        self.noise = noise
        self._descent = descent
        self._X, self._Y = X, Y

    def __len__(self) -> int:
        return len(self.stack)

    def only(self, rows: Sequence[int]) -> "Group":
        """Returns some of its replicas, as they are."""
        stack = make_stack(self.stack.spec, [values[rows] for values in self.stack.parameters])
        descent = self._descent.only(rows, stack)
        X = self._X[rows]
        Y = X if self._Y is self._X else self._Y[rows]
        noise = None if self.noise is None else self.noise.only(rows)
        return Group(stack, descent, X, Y, [self.rates[row] for row in rows], noise)

    def descend(self, steps: int) -> Float[Tensor, " r"]:
        """Takes `steps` full-batch steps; returns each replica's loss before the last of them."""
        error = self._X
        for _ in range(steps):
            error = self._step(self._X, self._Y)
        return _mean_square(error).to("cpu", torch.float64)

    def epoch(
        self, order: Int[Tensor, "r n"], size: int, most: int
    ) -> tuple[int, Float[Tensor, " r"]]:
        """Makes a pass over mini-batches, each replica in its own order: steps, losses."""
        rows = torch.arange(len(self), device=order.device)[:, None]
        total = self._X.new_zeros(len(self))
        steps = count = 0
        for index in order.split(size, dim=1)[:most]:
            x = self._X[rows, index]
            y = x if self._Y is self._X else self._Y[rows, index]
            total += _mean_square(self._step(x, y)) * index.shape[1]
            count += index.shape[1]
            steps += 1
        return steps, (total / count).to("cpu", torch.float64)

    def losses(self) -> Float[Tensor, " r"]:
        """Returns each replica's training loss as it is now; the squares are summed in float64."""
        chunks = zip(self._X.split(1024, dim=1), self._Y.split(1024, dim=1), strict=True)
        with torch.no_grad():
            squares = sum(
                (self.stack.forward(x) - y).flatten(1).square().sum(1, dtype=torch.float64).cpu()
                for x, y in chunks
            )
        return torch.as_tensor(squares) / self._X[0].numel()

    def _step(self, X: Tensor, Y: Tensor) -> Tensor:
        if self.noise is not None:
            X = self.noise.added(X)
        error = self.stack.pull(X, Y)
        self._descent.step(self.rates)
        return error


def shares(
    spec: Spec, X: Float[Tensor, "n *shape"], replicas: int, like: Tensor
) -> list[list[int]]:
    """Returns the replicas in shares of nearly equal size, each as many as one group holds.

    `X` are the examples of one; `like` has the dtype and device that they are trained in.
    """
    entries = spec.parameters_count()
    # Parameters, gradient, two running means, and what a pass over the examples leaves behind.
    one = 4 * entries * like.element_size()
    if like.device.type == "cpu":
        size = max(FEWEST, WORKING_SET // one)
    else:
        passed = 8 * X.numel() * like.element_size()
        size = batch_size_within(one + passed, device=like.device)
    count = -(-replicas // size)
    return [list(range(replicas))[i::count] for i in range(count)]


def _mean_square(error: Tensor) -> Float[Tensor, " r"]:
    return error.flatten(1).square().mean(1)
