"""Which sizes an axis may have: of a batch that a model takes, or of a side of its states."""

from dataclasses import dataclass

from mnemoscope.base.errors import MnemoscopeError


@dataclass(frozen=True)
class Sizes:
    """The sizes `least, least + step, least + 2 step, …`, up to `most`.

    Attributes:
        least: The smallest, at least 1.
        most: A bound that none exceeds; None if there is none.
        step: The distance between neighbours.

    Example:
        >>> even = Sizes(4, 17, step=2)
        >>> str(even), 6 in even, even.above(5), even.largest
        ('4 to 16 in steps of 2', True, 6, 16)
    """

    least: int = 1
    most: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        """Refuses an empty range."""
        if self.least < 1 or self.step < 1 or (self.most is not None and self.most < self.least):
            raise MnemoscopeError(
                f"sizes from {self.least} to {self.most} in steps of {self.step}",
                expected="a range of sizes of at least 1",
                todo="choose the smallest size no larger than the largest",
            )

    @classmethod
    def only(cls, size: int) -> "Sizes":
        """Returns the range of one size."""
        return cls(size, size)

    @property
    def largest(self) -> int | None:
        """The largest of them; None if there is none."""
        if self.most is None:
            return None
        return self.most - (self.most - self.least) % self.step

    def __contains__(self, size: int) -> bool:
        """Returns whether this is one of them."""
        fits = size >= self.least and (self.most is None or size <= self.most)
        return fits and (size - self.least) % self.step == 0

    def above(self, size: int) -> int:
        """Returns the smallest that is no smaller than `size`, or the largest if all are."""
        steps = -(-max(0, size - self.least) // self.step)
        wanted = self.least + steps * self.step
        return wanted if self.largest is None else min(wanted, self.largest)

    def __str__(self) -> str:
        """Returns the range in words."""
        if self.least == self.largest:
            return str(self.least)
        text = (
            f"at least {self.least}" if self.largest is None else f"{self.least} to {self.largest}"
        )
        return text if self.step == 1 else f"{text} in steps of {self.step}"


Sides = tuple[int | Sizes, ...]
"""Of each side of a state its size, or the sizes that it may have."""


def have_sizes(shape: tuple[int, ...], sides: Sides) -> bool:
    """Returns whether a state of this shape has sides of these sizes.

    Example:
        >>> have_sizes((1, 12), (1, Sizes(8, 32, step=4))), have_sizes((1, 10), (1, Sizes(8)))
        (True, True)
    """
    return len(shape) == len(sides) and all(
        side == size if isinstance(size, int) else side in size
        for side, size in zip(shape, sides, strict=True)
    )
