"""Labels for people: of corruptions and of the kinds of starts."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class CorruptionLabel:
    """How tables and pages name a corruption.

    Attributes:
        name: The name in tables: `mask_block`.
        label: The name for people: `masked block`.
        strength: What its strength measures: `share of the picture`.
        phrase: What was done to a copy; `s` is the strength, `p` the same in percent:
            `a block of {p:g}% of the picture masked`.
    """

    name: str
    label: str
    strength: str
    phrase: str

    def describe(self, strength: float) -> str:
        """Describes a corrupted copy.

        Example:
            >>> CorruptionLabel("blur", "blur", "pixels", "a blur of {s:g} pixels").describe(0.5)
            'a blur of 0.5 pixels'
        """
        # 100 * 0.07 is not 7.
        return self.phrase.format(s=strength, p=round(100 * strength, 6))


def corruption_label(name: str, labels: Iterable[CorruptionLabel]) -> CorruptionLabel:
    """Returns the label of a corruption; if there is none, one that is made of its name."""
    words = name.replace("_", " ")
    unknown = CorruptionLabel(name, words, "strength", f"{words} of {{s:g}}")
    return next((label for label in labels if label.name == name), unknown)


STARTS: dict[str, str] = {
    "uniform": "uniform noise",
    "gaussian": "Gaussian noise",
    "wide_gaussian": "wide Gaussian noise",
    "sparse": "sparse noise",
    "pink": "1/f noise",
    "corrupted": "corrupted examples",
    "held_out": "held-out data",
    "bred": "bred from attractors",
}
"""The label of each kind of starts, in the order in which they are listed."""


def start_label(kind: str) -> str:
    """Returns the label of a kind of starts; an unknown kind keeps its name."""
    return STARTS.get(kind, kind.replace("_", " "))
