"""Checks of the values that callers pass: counts, numbers, names."""

import math
import numbers
import operator
from collections.abc import Iterable
from difflib import get_close_matches

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short

LARGEST = 2**31 - 1
"""The largest count: no machine holds more of anything, or finishes working on it."""

LARGEST_SEED = 2**63 - 1


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


def invalid(name: str, value: object, expected: str) -> MnemoscopeError:
    """Builds the error for a parameter whose value cannot be used."""
    return MnemoscopeError(
        f"{name}={short(value)}", expected=expected, todo=f"change `{name}`", field=name
    )


def did_you_mean(given: str, names: Iterable[str], *, otherwise: str) -> str:
    """Suggests the name nearest to the one given, if any is near."""
    near = get_close_matches(given.lower(), list(names), n=1)
    return f"did you mean `{near[0]}`?" if near else otherwise
