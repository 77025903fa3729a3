"""How findings and comparisons say things: which examples, which damage, shares with intervals."""

from collections.abc import Mapping
from typing import Any

from mnemoscope.base.text import percent

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


def interval(entry: Mapping[str, Any]) -> str:
    """The 95% interval of an entry with `low` and `high`; an empty string where it has none.

    Example:
        >>> interval({"low": 0.862, "high": 1.0})
        '95% interval 86% to 100%'
    """
    low, high = entry.get("low"), entry.get("high")
    return "" if low is None or high is None else f"95% interval {percent(low)} to {percent(high)}"
