"""Schedules: how the learning rate follows from the losses seen so far.

A `LearningRate` is a value: `after` returns the next one. So a checkpoint that holds it resumes
exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

WINDOW = 100
"""Steps over which `plateau` averages the loss before it changes the rate."""

FALLING = 0.9
"""The loss falls if its mean over a window is below this share of that over the window before."""

RISING = 1.5
"""The loss rises, so the rate is too high, if the mean is above this share."""

SMALLEST = 1 / 512
"""The lowest rate of `plateau`, as a share of the first rate."""


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
        """The rate after `steps` more steps with this mean loss."""
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
        """The rate for another function from here on: `plateau` discards the losses it has seen."""
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

    def __init__(self, schedule: str, first: Sequence[float], max_steps: int) -> None:
        self._each = [LearningRate(schedule, lr, max_steps) for lr in first]
        self._steps = 0
        self._total = torch.zeros(len(first), dtype=torch.float64)
        self.lr = list(first)

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
