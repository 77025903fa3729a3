"""When the loss has stopped falling for good, as far as can be told."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from mnemoscope.training.schedules import FALLING, WINDOW

STEPS = 10 * WINDOW
"""Steps without a fall after which the loss has stalled: the schedule `plateau` has then tried
several rates."""

LOOKS = 5
"""Looks without a fall, at least: on many mini-batches a single look comes after many steps."""


@dataclass(frozen=True)
class Stall:
    """How long the loss has not fallen.

    Attributes:
        best: The loss when it last fell below `FALLING` times what it was.
        since: The step at that time.
        looks: Looks since then.
    """

    best: float = math.inf
    since: int = 0
    looks: int = 0

    def after(self, loss: float, step: int) -> "Stall":
        """What it is after one more look."""
        if loss < FALLING * self.best:
            return Stall(best=loss, since=step)
        return replace(self, looks=self.looks + 1)

    def over(self, step: int) -> bool:
        """Whether the loss has stalled."""
        return self.looks >= LOOKS and step - self.since >= STEPS

    def state(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
