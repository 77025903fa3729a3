"""Values that callers pass: checks of counts, numbers and names; options with some replaced."""

import math
import numbers
import operator
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, TypeVar

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short

LARGEST = 2**31 - 1
"""The largest count: no machine holds more of anything, or finishes working on it."""

LARGEST_SEED = 2**63 - 1

Options = TypeVar("Options")


def whole_number(name: str, value: object, *, least: int, most: int = LARGEST) -> int:
    """Returns `value` as an `int`. NumPy integers are accepted, truth values and fractions not."""
    expected = f"a whole number, {least} or more, at most {most}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        raise invalid(name, value, expected) from error
    if not least <= number <= most:
        raise invalid(name, number, expected)
    return number


def seed(value: object) -> int:
    """Returns a random seed as an `int`."""
    return whole_number("seed", value, least=0, most=LARGEST_SEED)


def real_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
) -> float:
    """Returns a real number, but no truth value, as a finite `float` within bounds."""
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("above", above), ("at least", least), ("below", below))
        if bound is not None
    ]
    expected = " ".join(["a finite number", " and ".join(bounds)]).strip()
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = float(value) if real else math.nan  # pyright: ignore[reportArgumentType]
    inside = (
        math.isfinite(number)
        and (above is None or number > above)
        and (least is None or number >= least)
        and (below is None or number < below)
    )
    if not inside:
        raise invalid(name, value, expected)
    return number


def one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of the choices.

    Raises:
        MnemoscopeError: it is not; the message names the nearest choice.
    """
    names = tuple(choices)
    if isinstance(value, str) and value in names:
        return value
    raise MnemoscopeError(
        f"{name}={short(value)}",
        expected=f"one of {', '.join(names)}",
        todo=did_you_mean(str(value), names, otherwise="choose one of these"),
        field=name,
        choices=names,
    )


def name_and_number(
    text: str, *, what: str, names: Collection[str], with_number: Collection[str] = ()
) -> tuple[str, float | None]:
    """Splits `name`, or `name(number)` such as `leaky_relu(0.1)`, into the name and the number.

    Raises:
        MnemoscopeError: the name is unknown, or its number missing, not finite, or not expected.
    """
    known = list(dict.fromkeys([*names, *with_number]))
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    name, digits = (match[1], match[2]) if match else (text, None)
    number = _finite(digits)
    if name not in known:
        listed = [one if one in names else f"{one}(number)" for one in known]
        expected = f"one of {', '.join(listed)}"
        todo = did_you_mean(name, known, otherwise=f"choose the {what} from this list")
    elif digits is None and name not in names:
        expected, todo = f"{name}(number)", f"write its number in parentheses, as in {name}(0.01)"
    elif digits is not None and name not in with_number:
        expected, todo = f"{name}, which takes no number", f"write `{name}`"
    elif digits is not None and number is None:
        expected, todo = f"{name}(number) with a finite number", "change the number"
    else:
        return name, number
    given = f"{what} {short(text)}"
    raise MnemoscopeError(given, expected=expected, todo=todo, field=what, choices=known)


def _finite(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def with_given(options: Options, **values: Any) -> Options:
    """Returns a dataclass of options with the values that are not None."""
    given = {name: value for name, value in values.items() if value is not None}
    return replace(options, **given)  # pyright: ignore[reportArgumentType]


def invalid(name: str, value: object, expected: str) -> MnemoscopeError:
    """Builds the error for a parameter whose value cannot be used."""
    return MnemoscopeError(
        f"{name}={short(value)}", expected=expected, todo=f"change `{name}`", field=name
    )


def did_you_mean(given: str, names: Iterable[str], *, otherwise: str) -> str:
    """Suggests the name nearest to the one given, if any is near."""
    near = get_close_matches(given.lower(), list(names), n=1)
    return f"did you mean `{near[0]}`?" if near else otherwise
