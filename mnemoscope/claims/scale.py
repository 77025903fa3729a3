"""How much of a claim is run."""

from dataclasses import dataclass
from typing import Literal, TypeVar

Effort = Literal["quick", "default", "long"]
T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """How much of a claim is run.

    Attributes:
        effort: `quick` (a few seconds, as the tests run it), `default`, or `long`.
        seeds: How many seeds; None for the claim's own number.
        seed: The first of them.
        device: Where networks are trained.
    """

    effort: Effort = "default"
    seeds: int | None = None
    seed: int = 0
    device: str = "cpu"

    def choose(self, quick: T, default: T, long: T) -> T:
        """What goes with the effort."""
        return {"quick": quick, "default": default, "long": long}[self.effort]

    def range(self, quick: int, default: int, long: int) -> range:
        """The seeds: as many as were asked for, or as go with the effort."""
        count = self.seeds if self.seeds is not None else self.choose(quick, default, long)
        return range(self.seed, self.seed + count)
