"""Numbers, rates, times, sizes and lists as text for people; what is missing is an en dash."""

import json
import math
from collections.abc import Sequence
from typing import Any

MISSING = "–"

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

MOST_RANGES = 8
"""Ranges of indices that a sentence names before it says how many more there are."""

LONGEST = 80
"""Characters of a value that a message repeats."""


def finite(value: Any) -> float | None:
    """Returns the value as a float, or None if it is missing, not a number or infinite."""
    if value is None or isinstance(value, str):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: Any) -> str:
    """Formats a number to 3 significant digits: `0.0123`, `4,096`, `3.1 × 10⁻⁹`."""
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    known = finite(value)
    if known is None:
        return MISSING
    if known == int(known) and abs(known) < 1e6:
        return f"{int(known):,}".replace("-", "−")
    if 1e-3 <= abs(known) < 1e5:
        decimals = max(0, 2 - math.floor(math.log10(abs(known))))
        return f"{known:,.{decimals}f}".replace("-", "−")
    mantissa, exponent = f"{known:.1e}".split("e")
    power = str(int(exponent)).translate(SUPERSCRIPTS)
    return f"{mantissa}\u00a0×\u00a010{power}".replace("-", "−")


def setting(value: Any) -> str:
    """Formats a number that somebody chose, as they would write it: `0.25`, `10⁻⁸`."""
    known = finite(value)
    if known is None:
        return MISSING
    if known and (abs(known) < 1e-3 or abs(known) >= 1e6):
        mantissa, exponent = f"{known:.2e}".split("e")
        power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
        mantissa = f"{float(mantissa):g}"
        text = power if mantissa == "1" else f"{mantissa}\u00a0×\u00a0{power}"
    else:
        text = f"{known:.6g}"
    return text.replace("-", "−")


def percent(value: Any) -> str:
    """Formats a share: `97%`, `2.5%`; 0% and 100% are written only where they are exact.

    Example:
        >>> percent(0.98425), percent(0.9996), percent(0.0002)
        ('98%', '>99.9%', '<0.1%')
    """
    known = finite(value)
    if known is None:
        return MISSING
    if 0 < known < 0.001:
        return "<0.1%"
    if 0.999 < known < 1:
        return ">99.9%"
    whole = abs(100 * known - round(100 * known)) < 1e-9
    return f"{known:.{0 if whole or 0.0995 <= known <= 0.99 else 1}%}"


def pretty(value: Any) -> str:
    """Formats a value of the provenance: a string unchanged, anything else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def plain(value: Any) -> Any:
    """Converts a value to what JSON can hold: NaN and infinity become None, tuples lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def plural(count: int, noun: str) -> str:
    """Formats a count with its noun.

    Example:
        >>> plural(1, "start"), plural(2400, "start")
        ('1 start', '2,400 starts')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """Joins parts by commas, and by `and` before the last.

    Example:
        >>> joined(["one", "two", "three"])
        'one, two and three'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def listed(indices: Sequence[int]) -> str:
    """Lists indices as ranges.

    Example:
        >>> listed([7, 0, 1, 2, 3, 9])
        '0–3, 7 and 9'
        >>> listed([4, 5])
        '4 and 5'
    """
    parts: list[range] = []
    for index in sorted(indices):
        if parts and index == parts[-1].stop:
            parts[-1] = range(parts[-1].start, index + 1)
        else:
            parts.append(range(index, index + 1))
    # Two in a row read better as two.
    pieces = [piece for part in parts for piece in ([part] if len(part) != 2 else _halves(part))]
    shown = pieces[:MOST_RANGES]
    words = [f"{part[0]}–{part[-1]}" if len(part) > 1 else str(part[0]) for part in shown]
    more = len(indices) - sum(map(len, shown))
    return joined([*words, f"{more:,} more"] if more else words)


def duration(seconds: float) -> str:
    """Formats a time: `8.5 s`, `12 min`, `3.4 h`, `2.1 days`.

    Example:
        >>> duration(8.5), duration(720), duration(12_240), duration(200_000)
        ('8.5 s', '12 min', '3.4 h', '2.3 days')
    """
    for unit, length, until in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < until:
            value = seconds / length
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def size(count: float) -> str:
    """Formats a number of bytes.

    Example:
        >>> size(532), size(15_300), size(2_500_000)
        ('532 B', '15 kB', '2.5 MB')
    """
    for unit, length in (("B", 1), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < 1000 * length:
            value = count / length
            return f"{value:.0f} {unit}" if value >= 10 or length == 1 else f"{value:.1f} {unit}"
    return f"{count / 1e12:.1f} TB"


def short(value: object) -> str:
    """Formats a value on one line, cut to `LONGEST` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _halves(two: range) -> tuple[range, range]:
    return two[:1], two[1:]
