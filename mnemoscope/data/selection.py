"""Which of the examples of a source are asked for."""

from dataclasses import dataclass

from mnemoscope.base.errors import MnemoscopeError


@dataclass(frozen=True)
class Selection:
    """`n` examples after the first `offset`.

    Attributes:
        n: How many; `None` for all that are left.
        offset: How many to leave out before them.
        size: Height and width that pictures of several sizes are brought to as they are decoded.
    """

    n: int | None
    offset: int = 0
    size: int | None = None

    @property
    def end(self) -> int | None:
        """The index after the last one, `None` for the source's end."""
        return None if self.n is None else self.offset + self.n

    def rows(self, available: int, told: str) -> slice:
        """These examples among so many.

        Args:
            available: How many the source has.
            told: The source, as the message names it.

        Raises:
            MnemoscopeError: the source has none, or not that many.
        """
        if available == 0:
            raise MnemoscopeError(
                f"{told}, which has no examples",
                expected="at least one example",
                todo="choose another source",
            )
        end = available if self.end is None else self.end
        if self.offset >= available or end > available:
            raise MnemoscopeError(
                f"n={self.n}, offset={self.offset} of {told}, which has {available} examples",
                expected=f"offset + n of at most {available}",
                todo="ask for fewer",
            )
        return slice(self.offset, end)
