"""An orbit as a row of pictures: its start, some iterates, where it ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mnemoscope.report.pictures import Drawing, Picture, picture, spread

MOST_FRAMES = 7
"""Frames in a row: what a phone's width can show."""


@dataclass(frozen=True)
class Frame:
    """A state of an orbit.

    Attributes:
        label: `start`, the number of steps, or `end`.
        words: The same, as a sentence says it.
        picture: The state.
    """

    label: str
    words: str
    picture: Picture


def frame_labels(total: int, steps: Sequence[int]) -> dict[int, str]:
    """The places that are shown of an orbit's `total` frames, and what stands over each."""
    labels = {}
    for place in spread(total, MOST_FRAMES):
        if place == 0:
            labels[place] = "start"
        elif place == total - 1:
            labels[place] = "end"
        else:
            labels[place] = str(steps[place]) if place < len(steps) else ""
    return labels


def orbit_frames(states: Tensor, steps: Sequence[int], how: Drawing) -> list[Frame]:
    """The shown frames of one orbit.

    Args:
        states: `(t, *shape)`.
        steps: The number of steps of each frame; may be shorter than `t`.
        how: The page's drawing.
    """
    labels = frame_labels(len(states), steps)
    return [
        Frame(label, _words(label), picture(states[place], how)) for place, label in labels.items()
    ]


def _words(label: str) -> str:
    if label == "start":
        return "at the start"
    if label == "end":
        return "at the end"
    return f"after {label} steps" if label else "on the way"
