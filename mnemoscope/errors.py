"""The errors a user can cause, and mend."""

from functools import partial
from typing import Any


class MnemoscopeError(ValueError):
    """A wrong input, told in one line: what was given, what was expected, what to do.

    Args:
        given: What the caller gave, with the offending value in it.
        expected: What was expected instead.
        todo: What the caller can do about it.
    """

    def __init__(self, given: str, *, expected: str, todo: str) -> None:
        self.given = given
        self.expected = expected
        self.todo = todo
        # One line, whatever a file's name or another library's message brings along.
        super().__init__(" ".join(f"{given}; expected {expected}; {todo}".split()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Survives the way from one process to another."""
        return partial(type(self), expected=self.expected, todo=self.todo), (self.given,)


class DivergenceError(MnemoscopeError):
    """Training diverged: the loss became NaN, infinite, or grew without bound."""


class DivergenceWarning(UserWarning):
    """Some of many trainings diverged; the others went on."""
