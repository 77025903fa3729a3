"""Which states are drawn as pictures."""

from collections.abc import Sequence


def drawn_as_picture(shape: Sequence[int]) -> bool:
    """Decides whether states of a shape are pictures: `(h, w)`, `(1, h, w)`, `(3, h, w)`."""
    sides = shape[-2:]
    return min(sides, default=0) >= 4 and (
        len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
    )
