"""Phrases for corruptions."""

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


def damage(corruption: str, strength: float) -> str:
    """What was done to a copy, in words; an unknown corruption by its own name.

    Example:
        >>> damage("mask_block", 0.25)
        'a block of 25% of the picture masked'
    """
    words = DAMAGE.get(corruption, corruption.replace("_", " ") + " of {s:g}")
    # 100 * 0.07 is not 7.
    return words.format(s=strength, p=round(100 * strength, 6))
