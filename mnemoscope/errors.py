"""The errors that invalid input causes, and how much of the input they repeat."""

from functools import partial
from typing import Any

LONGEST_WORD = 200
"""Characters of a word that a message repeats."""

LONGEST = {"given": 400, "expected": 600, "todo": 1000}
"""Characters of each part of a message: a command line in `todo` is to be pasted whole."""


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
        told = {
            name: shortened(text, LONGEST[name], word=LONGEST[name] if name == "todo" else None)
            for name, text in (("given", given), ("expected", expected), ("todo", todo))
        }
        super().__init__(f"{told['given']}; expected {told['expected']}; {told['todo']}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Survives the way from one process to another."""
        return partial(type(self), expected=self.expected, todo=self.todo), (self.given,)


def shortened(text: str, longest: int = LONGEST["given"], *, word: int | None = None) -> str:
    """A text on one line, with the middle of it and of its long words left out.

    Args:
        text: Any text: a file's name or another library's message may bring along anything.
        longest: Characters of the whole.
        word: Characters of a word; default: `LONGEST_WORD`.
    """
    # So that a text of many megabytes is not split whole.
    ends = text if len(text) <= 4 * longest else f"{text[: 2 * longest]} … {text[-2 * longest :]}"
    limit = LONGEST_WORD if word is None else word
    return _cut(" ".join(_cut(one, limit) for one in ends.split()), longest)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail - 1]}…{text[-tail:]}"


class DivergenceError(MnemoscopeError):
    """Training diverged: the loss became NaN, infinite, or grew without bound."""


class DivergenceWarning(UserWarning):
    """Some of many trainings diverged; the others went on."""
