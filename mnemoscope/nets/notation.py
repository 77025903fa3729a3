"""Names with an optional number in parentheses, as specs write them: `leaky_relu(0.1)`."""

import math
import re
from collections.abc import Collection

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short


def parse_name(
    text: str,
    *,
    what: str,
    names: Collection[str],
    with_number: Collection[str] = (),
) -> tuple[str, float | None]:
    """Splits `name` or `name(number)` into the name and the number."""
    known = list(dict.fromkeys([*names, *with_number]))
    given = f"{what} {short(text)}"
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    name = match[1] if match else text
    if match is None or (name not in names and name not in with_number):
        listed = [f"{name}(number)" if name not in names else name for name in known]
        todo = did_you_mean(name, known, otherwise=f"choose the {what} from this list")
        expected = f"one of {', '.join(listed)}"
        raise MnemoscopeError(given, expected=expected, todo=todo, field=what, choices=known)
    number = _finite(match[2])
    if match[2] is None and name not in names:
        todo = f"write its number in parentheses, as in {name}(0.01)"
        raise MnemoscopeError(given, expected=f"{name}(number)", todo=todo, field=what)
    if match[2] is not None and name not in with_number:
        raise MnemoscopeError(
            given,
            expected=f"{name}, which takes no number",
            todo=f"write `{name}`",
            field=what,
        )
    if match[2] is not None and number is None:
        raise MnemoscopeError(
            given,
            expected=f"{name}(number) with a finite number",
            todo="change the number",
            field=what,
        )
    return name, number


def _finite(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
