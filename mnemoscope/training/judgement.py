"""When a training is looked at, and what is said of it: the same for one network and for many."""

import math

from mnemoscope.base.errors import DivergenceError
from mnemoscope.training.optimizers import optimizer_kind

ROUND = 10
"""Full-batch steps between two looks at the loss: no more than so many are taken beyond `tol`."""

LOOK = 10
"""Rounds after which the loss is told in eval mode even where that of the steps is not yet small.

With dropout it never gets small: only in eval mode does such a network interpolate.
"""

GROWTH = 100.0
"""Training has diverged when the loss is this many times the first one."""


def promising(tol: float, *, full_batch: bool) -> float:
    """The loss seen in a round from which on the whole one may be at most `tol`.

    A pass over mini-batches sees the loss before each of its steps; it falls on the way.
    """
    return tol if full_batch else 4 * tol


def largest_loss(first: float) -> float:
    """The loss beyond which a training that began at `first` has diverged."""
    return GROWTH * max(first, 1e-3)


def divergence(
    loss: float, *, first: float, step: int, rate: float, optimizer: str, lr: float
) -> DivergenceError:
    """What is told of a training that has diverged.

    Args:
        loss: What it is now.
        first: What it was before the first step.
        step: Steps taken.
        rate: The learning rate now.
        optimizer: The optimizer's name.
        lr: The learning rate it began with.
    """
    usual = optimizer_kind(optimizer).lr or math.inf
    return DivergenceError(
        f"training diverged: loss {loss:.3g} at step {step} with learning rate {rate:.3g} "
        f"(it began at {first:.3g})",
        expected="a loss that falls",
        todo=f"try lr={min(usual, lr / 3):.1g}, another optimizer or another init",
    )
