"""Replicas trained side by side: one stack, one optimizer, as many as the cache holds.

One group is trained to its end before the next one begins. So its parameters stay in the cache from
step to step, and no more optimizer state exists than that of one group.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.memory import batch_size_within
from mnemoscope.nets.spec import Spec
from mnemoscope.nets.stack import Stack
from mnemoscope.nets.stacking import make_stack
from mnemoscope.training.descent import Descent

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
    ) -> None:
        self.stack = stack
        self.rates = list(rates)
        self._descent = descent
        self._X, self._Y = X, Y

    def __len__(self) -> int:
        return len(self.stack)

    def only(self, rows: Sequence[int]) -> "Group":
        """Some of its replicas, as they are."""
        stack = make_stack(self.stack.spec, [values[rows] for values in self.stack.parameters])
        descent = self._descent.only(rows, stack)
        X = self._X[rows]
        Y = X if self._Y is self._X else self._Y[rows]
        return Group(stack, descent, X, Y, [self.rates[row] for row in rows])

    def descend(self, steps: int) -> Float[Tensor, " r"]:
        """Takes `steps` full-batch steps; returns each replica's loss before the last of them."""
        error = self._X
        for _ in range(steps):
            error = self._step(self._X, self._Y)
        return _mean_square(error).to("cpu", torch.float64)

    def epoch(
        self, order: Int[Tensor, "r n"], size: int, most: int
    ) -> tuple[int, Float[Tensor, " r"]]:
        """A pass over mini-batches, each replica in its own order: steps, losses on the way."""
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
        """Each replica's training loss as it is now; the squares are summed in float64."""
        chunks = zip(self._X.split(1024, dim=1), self._Y.split(1024, dim=1), strict=True)
        with torch.no_grad():
            squares = sum(
                (self.stack.forward(x) - y).flatten(1).square().sum(1, dtype=torch.float64).cpu()
                for x, y in chunks
            )
        return torch.as_tensor(squares) / self._X[0].numel()

    def _step(self, X: Tensor, Y: Tensor) -> Tensor:
        error = self.stack.pull(X, Y)
        self._descent.step(self.rates)
        return error


def shares(
    spec: Spec, X: Float[Tensor, "n *shape"], replicas: int, like: Tensor
) -> list[list[int]]:
    """The replicas in shares of nearly equal size, each as many as one group holds.

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
