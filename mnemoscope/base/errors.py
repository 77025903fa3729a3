"""The errors that invalid input causes, and how much of the input they repeat."""

from collections.abc import Iterable
from functools import partial
from typing import Any

LONGEST_WORD = 200
"""Characters of a word that a message repeats."""

LONGEST = {"given": 400, "expected": 600, "todo": 1000}
"""Characters of each part of a message: a command line in `todo` is to be pasted whole."""


class MnemoscopeError(ValueError):
    """Invalid input. The message states what was given, what was expected, and how to fix it.

    Code reads the attributes and never parses the message.

    Args:
        given: What the caller gave, with the offending value in it.
        expected: What was expected instead.
        todo: What the caller can do about it.
        field: The parameter, field or option that is at fault, if it is one: `"match_tol"`,
            `"axes.2.width"`.
        choices: The values that would have been accepted, where they can be listed.
    """

    def __init__(
        self,
        given: str,
        *,
        expected: str,
        todo: str,
        field: str | None = None,
        choices: Iterable[str] = (),
    ) -> None:
        self.given = given
        self.expected = expected
        self.todo = todo
        self.field = field
        self.choices = tuple(choices)
        parts = {
            name: shortened(text, LONGEST[name], word=LONGEST[name] if name == "todo" else None)
            for name, text in (("given", given), ("expected", expected), ("todo", todo))
        }
        super().__init__(f"{parts['given']}; expected {parts['expected']}; {parts['todo']}")

    def replaced(self, **parts: Any) -> "MnemoscopeError":
        """Returns a copy with other parts, such as `given` with the place of the error in it."""
        kept = {name: getattr(self, name) for name in (*LONGEST, "field", "choices")} | parts
        return type(self)(kept.pop("given"), **kept)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keeps the attributes when the error is pickled on its way to another process."""
        rebuilt = partial(
            type(self),
            expected=self.expected,
            todo=self.todo,
            field=self.field,
            choices=self.choices,
        )
        return rebuilt, (self.given,)


class DivergenceError(MnemoscopeError):
    """Training diverged: the loss became NaN, infinite, or grew without bound."""


class DivergenceWarning(UserWarning):
    """Some of many trainings diverged; the others went on."""


def first_line(error: BaseException) -> str:
    r"""Returns the first line of another library's message; the name of its class if it is empty.

    Example:
        >>> first_line(RuntimeError("no such key\n  at line 3")), first_line(KeyboardInterrupt())
        ('no such key', 'KeyboardInterrupt')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def shortened(text: str, longest: int = LONGEST["given"], *, word: int | None = None) -> str:
    """Cuts a text to one line, leaving out the middle of it and of its long words.

    Args:
        text: Any text: a file's name or another library's message may bring along anything.
        longest: Maximum number of characters.
        word: Maximum number of characters of a word; default: `LONGEST_WORD`.
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
