"""Counts and sizes that a caller passes."""

import operator

from mnemoscope.errors import MnemoscopeError

LARGEST = 2**31 - 1
"""The largest count: more of anything is held by no machine, or worked on for ever."""

LARGEST_SEED = 2**63 - 1


def whole_number(name: str, value: object, *, least: int, most: int = LARGEST) -> int:
    """`value` as an `int`; NumPy's integers are welcome, truth values and fractions are not.

    Raises:
        MnemoscopeError: it is no whole number, or out of range.
    """
    expected = f"a whole number, {least} or more, at most {most}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # pyright: ignore[reportArgumentType]
    except TypeError as error:
        raise MnemoscopeError(
            f"{name}={value!r}", expected=expected, todo=f"choose such a {name}"
        ) from error
    if not least <= number <= most:
        raise MnemoscopeError(f"{name}={number}", expected=expected, todo=f"choose such a {name}")
    return number
