"""What follows from the losses seen so far: the learning rate, and when a training has ended.

The same for one network and for many. A `LearningRate` is a value: `after` returns the next one. So
a checkpoint that holds it resumes exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import DivergenceError
from mnemoscope.training.finishing import Solved
from mnemoscope.training.options import TrainingOptions

Loss = TypeVar("Loss", float, Tensor)
"""A loss, or those of many networks."""

WINDOW = 100
"""Steps over which `plateau` averages the loss before it changes the rate."""

FALLING = 0.9
"""The loss falls if its mean over a window is below this share of that over the window before."""

RISING = 1.5
"""The loss rises, so the rate is too high, if the mean is above this share."""

SMALLEST = 1 / 512
"""The lowest rate of `plateau`, as a share of the first rate."""

ROUND = 10
"""Full-batch steps between two looks at the loss, so the most that are taken beyond `tol`."""

LOOK = 10
"""Rounds after which the loss is evaluated in eval mode even where that of the steps is not small.

With dropout it never becomes small: only in eval mode does such a network interpolate.
"""

GROWTH = 100.0
"""Training has diverged when the loss is this many times the first one."""

FINISH_FROM = {"least_squares": 1e-3, "gauss_newton": 1e-4}
"""The loss at which a finish first takes over from the optimizer."""

EARLIER = 10**-0.5
"""The factor by which the loss must fall before a finish that came too early is tried again."""

STALL_STEPS = 10 * WINDOW
"""Steps without a fall after which the loss has stalled: `plateau` has then tried several rates."""

STALL_LOOKS = 5
"""Looks without a fall, at least: on many mini-batches a look comes only after many steps."""


@dataclass(frozen=True)
class LearningRate:
    """A learning rate and everything that the next one depends on.

    Attributes:
        schedule: A name in `SCHEDULES`.
        first: The first rate.
        max_steps: The steps that `cosine` is spread over.
        share: The current rate, as a share of the first.
        step: Steps taken.
        seen: Steps in the current window.
        total: The sum of their losses.
        before: Mean loss of the window before; None in the first one.
        halved: The last change halved the rate.
    """

    schedule: str
    first: float
    max_steps: int
    share: float = 1.0
    step: int = 0
    seen: int = 0
    total: float = 0.0
    before: float | None = None
    halved: bool = False

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.first * self.share

    def after(self, loss: float, steps: int) -> "LearningRate":
        """Returns the rate after `steps` more steps with this mean loss."""
        step = self.step + steps
        if self.schedule == "constant":
            return replace(self, step=step)
        if self.schedule == "cosine":
            turn = math.cos(math.pi * min(1.0, step / self.max_steps))
            return replace(self, step=step, share=0.01 + 0.99 * (1 + turn) / 2)
        seen, total = self.seen + steps, self.total + steps * loss
        if seen < WINDOW:
            return replace(self, step=step, seen=seen, total=total)
        share, halved = self._judged(total / seen)
        return replace(
            self, step=step, share=share, halved=halved, seen=0, total=0.0, before=total / seen
        )

    def afresh(self) -> "LearningRate":
        """Returns the rate for another function: `plateau` discards the losses it has seen."""
        if self.schedule != "plateau":
            return self
        return LearningRate(self.schedule, self.first, self.max_steps, step=self.step)

    def _judged(self, mean: float) -> tuple[float, bool]:
        if self.before is None:
            return self.share, False
        if mean < FALLING * self.before:
            return min(1.0, 1.1 * self.share), False
        if mean > RISING * self.before or not self.halved:
            return max(SMALLEST, self.share / 2), True
        # The halving did not bring the loss down, so it was not the rate: take it back.
        return min(1.0, 2 * self.share), False


class LearningRates:
    """The learning rates of many trainings that have taken the same steps.

    Attributes:
        lr: The rate of each; the same list for as long as none of them changes.
    """

    def __init__(self, options: Sequence[TrainingOptions]) -> None:
        self._each = [LearningRate(one.schedule, one.first_rate, one.max_steps) for one in options]
        self._steps = 0
        self._total = torch.zeros(len(options), dtype=torch.float64)
        self.lr = [one.first_rate for one in options]

    def after(self, losses: Float[Tensor, " r"], steps: int) -> bool:
        """Records `steps` more steps with these mean losses; returns True if any rate changed."""
        schedule = self._each[0].schedule
        if schedule == "constant":
            return False
        self._steps += steps
        self._total += steps * losses
        if schedule == "plateau" and self._steps < WINDOW:
            return False
        means = (self._total / self._steps).tolist()
        self._each = [
            rate.after(mean, self._steps) for rate, mean in zip(self._each, means, strict=True)
        ]
        self._steps = 0
        self._total.zero_()
        before, now = self.lr, [rate.lr for rate in self._each]
        if now == before:
            return False
        self.lr = now
        return True


def finish_from(options: TrainingOptions) -> float:
    """Returns the loss at which the optimizer has done its part.

    With noise on the inputs a small loss at the examples is no sign of that: a last layer is solved
    after the last step. Nor is it where contraction is to settle, before `tol`.
    """
    if options.finish == "least_squares" and options.noise > 0:
        return 0.0
    if options.stop == "contraction":
        return options.tol
    return max(options.tol, FINISH_FROM.get(options.finish, 0.0))


def next_finish(solved: Solved, loss: float, options: TrainingOptions) -> float | None:
    """Returns the loss at which to try the finish again; None: it has its turn now.

    Args:
        solved: What became of the last layer's solve.
        loss: The loss now.
        options: The options of the training.
    """
    if solved.outcome == "early" and loss > options.tol:
        return max(options.tol, EARLIER * loss)
    if solved.outcome == "unable" and loss > FINISH_FROM["gauss_newton"]:
        return max(options.tol, FINISH_FROM["gauss_newton"])
    return None


def promising(tol: Loss, *, full_batch: bool) -> Loss:
    """Returns the loss of a round from which on the whole loss may be at most `tol`.

    A pass over mini-batches sees the loss before each of its steps; it falls on the way.
    """
    return tol if full_batch else 4 * tol


def largest_loss(first: float) -> float:
    """Returns the loss beyond which a training whose first loss was `first` has diverged."""
    return GROWTH * max(first, 1e-3)


def divergence(
    options: TrainingOptions, loss: float, *, first: float, step: int, lr: float
) -> DivergenceError:
    """Builds the error for a loss that grew from `first` to `loss`, at this step and rate."""
    return DivergenceError(
        f"training diverged: loss {loss:.3g} at step {step} with learning rate {lr:.3g} "
        f"(it began at {first:.3g})",
        expected="a loss that falls",
        todo=f"try lr={min(options.kind.lr or math.inf, options.first_rate / 3):.1g}, "
        "another optimizer or another init",
        field="lr",
    )


@dataclass(frozen=True)
class Stall:
    """The time since the loss last fell.

    Attributes:
        best: The loss when it last fell below `FALLING` times what it was.
        since: The step at that time.
        looks: Looks since then.
    """

    best: float = math.inf
    since: int = 0
    looks: int = 0

    def after(self, loss: float, step: int) -> "Stall":
        """Returns the state after one more look."""
        if loss < FALLING * self.best:
            return Stall(best=loss, since=step)
        return replace(self, looks=self.looks + 1)

    def over(self, step: int) -> bool:
        """Decides whether the loss has stalled."""
        return self.looks >= STALL_LOOKS and step - self.since >= STALL_STEPS
