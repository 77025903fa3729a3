"""How findings and comparisons say things: which examples, which damage, shares with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

MOST_RANGES = 8
"""Ranges of indices that a sentence names before it says how many more there are."""

DAMAGE: dict[str, str] = {
    "gaussian": "noise of standard deviation {s:g}",
    "salt_and_pepper": "{p:g}% of the pixels turned to salt and pepper",
    "mask_pixels": "{p:g}% of the pixels masked",
    "mask_block": "a block of {p:g}% of the picture masked",
    "mask_lower_half": "the lower {p:g}% of the rows masked",
    "blur": "a blur of {s:g} pixels",
    "mix": "{p:g}% of another example mixed in",
}
"""What was done to a copy, by the name of the corruption; `s` is its strength, `p`
the same in percent."""


NEAR_MISS = 2
"""A distance of up to so many times `match_tol` is just above it: another choice of the tolerance,
of the same order, would have made the attractor a training example."""


def nearest_spurious(summary: Mapping[str, Any]) -> str:
    """How near to the data spurious attractors come, to be put after their number.

    Example:
        >>> nearest_spurious({"nearest_spurious": {"example": 3, "distance": 0.5}, "spurious": 2})
        ', the nearest at 0.5 units from training example 3'
    """
    nearest = summary.get("nearest_spurious")
    if not nearest or nearest.get("distance") is None:
        return ""
    one = (summary.get("spurious") or 0) + (summary.get("cycles") or 0) == 1
    told = f"{nearest['distance']:.3g} units from training example {nearest['example']}"
    match_tol = summary.get("match_tol")
    if match_tol is not None and nearest["distance"] <= NEAR_MISS * match_tol:
        told += f", just above match_tol {match_tol:g}"
    return f", {told}" if one else f", the nearest at {told}"


def damage(corruption: str, strength: float) -> str:
    """What was done to a copy, in words; an unknown corruption by its own name.

    Example:
        >>> damage("mask_block", 0.25)
        'a block of 25% of the picture masked'
    """
    words = DAMAGE.get(corruption, corruption.replace("_", " ") + " of {s:g}")
    # 100 * 0.07 is not 7.
    return words.format(s=strength, p=round(100 * strength, 6))


def listed(indices: Sequence[int]) -> str:
    """Indices in ranges, the most telling way to name many.

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


def joined(parts: Sequence[str]) -> str:
    """Parts with commas and an `and` before the last.

    Example:
        >>> joined(["one", "two", "three"])
        'one, two and three'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def percent(share: float) -> str:
    """A share in percent, 0% and 100% only where they are exact.

    Example:
        >>> percent(0.98425), percent(0.9996), percent(0.0002)
        ('98%', '>99.9%', '<0.1%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    whole = abs(100 * share - round(100 * share)) < 1e-9
    return f"{share:.{0 if whole or 0.0995 <= share <= 0.99 else 1}%}"


def interval(entry: Mapping[str, Any]) -> str:
    """The 95% interval of an entry with `low` and `high`; an empty string where it has none.

    Example:
        >>> interval({"low": 0.862, "high": 1.0})
        '95% interval 86% to 100%'
    """
    low, high = entry.get("low"), entry.get("high")
    return "" if low is None or high is None else f"95% interval {percent(low)} to {percent(high)}"


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> plural(1, "start"), plural(2400, "start")
        ('1 start', '2,400 starts')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _halves(two: range) -> tuple[range, range]:
    return two[:1], two[1:]
