"""When the loss is looked at, and what follows from it: the same for one network and for many."""

import math
from dataclasses import dataclass, replace

from mnemoscope.base.errors import DivergenceError
from mnemoscope.training.options import TrainingOptions
from mnemoscope.training.schedules import FALLING, WINDOW

ROUND = 10
"""Full-batch steps between two looks at the loss, so the most that are taken beyond `tol`."""

LOOK = 10
"""Rounds after which the loss is evaluated in eval mode even where that of the steps is not small.

With dropout it never becomes small: only in eval mode does such a network interpolate.
"""

GROWTH = 100.0
"""Training has diverged when the loss is this many times the first one."""

FINISH_FROM = 1e-4
"""The loss at which the finish takes over from the optimizer."""

FINISHED = 1e-14
"""The loss at which the finish ends, unless `tol` is lower still."""

STALL_STEPS = 10 * WINDOW
"""Steps without a fall after which the loss has stalled: `plateau` has then tried several rates."""

STALL_LOOKS = 5
"""Looks without a fall, at least: on many mini-batches a look comes only after many steps."""


def target_loss(options: TrainingOptions, *, finishing: bool) -> float:
    """The loss at which the optimizer, or the finish, has done its part."""
    if options.finish == "none":
        return options.tol
    return min(options.tol, FINISHED) if finishing else max(options.tol, FINISH_FROM)


def promising(tol: float, *, full_batch: bool) -> float:
    """The loss of a round from which on the whole loss may be at most `tol`.

    A pass over mini-batches sees the loss before each of its steps; it falls on the way.
    """
    return tol if full_batch else 4 * tol


def largest_loss(first: float) -> float:
    """The loss beyond which a training whose first loss was `first` has diverged."""
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
