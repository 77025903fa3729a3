"""Data brought to the shape of a model's states, where that takes no guess.

Two layouts `s` and `t` of one state are known to be the same in four cases:

- they differ by axes of length 1;
- one is flat, `(d,)` with `d` the product of the other's sides: entries follow row by row;
- `s` has its channels last, `(h, w, c)`, and `t` first, `(c, h, w)`, and no other axis has `c`
  entries;
- they are equal.

Everything else, such as a picture turned on its side, would be a guess and is refused.
"""

from collections.abc import Callable, Iterator
from math import prod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

Shape = tuple[int, ...]

AS_IT_IS = "as it is"
"""What is said of data that are not changed."""

_INSERTED = "a channel axis was inserted"
_FIRST = "the channels were moved first"
_FLAT = "flattened row by row"


class LaidOut(NamedTuple):
    """Data in a model's layout.

    Attributes:
        states: `(n, *shape)`; None if they cannot be brought to it without a guess.
        how: What was done, in a few words for the log; or why nothing could be done.
    """

    states: Tensor | None
    how: str


def laid_out(X: Float[Tensor, "n *given"], shape: Shape) -> LaidOut:
    """Brings a batch to a model's shape.

    Example:
        >>> import torch
        >>> made, how = laid_out(torch.rand(5, 8, 6, 3), (3, 8, 6))
        >>> made.shape, how
        (torch.Size([5, 3, 8, 6]), 'the channels were moved first')
        >>> laid_out(torch.rand(5, 8, 6), (6, 8)).how
        'states of shape (8, 6) are not (6, 8) in another layout that is certain'
    """
    given, shape = tuple(X.shape[1:]), tuple(shape)
    if given == shape:
        return LaidOut(X, AS_IT_IS)
    if _without_ones(given) == _without_ones(shape):
        return LaidOut(X.reshape(len(X), *shape), _ones(given, shape))
    if len(shape) == 1 and prod(given) == shape[0]:
        return LaidOut(X.reshape(len(X), *shape), _FLAT)
    if len(given) == 1 and prod(shape) == given[0]:
        return LaidOut(X.reshape(len(X), *shape), f"shaped to {shape} row by row")
    if _channels_first(given) == shape:
        return LaidOut(X.movedim(-1, 1).contiguous(), _FIRST)
    return LaidOut(None, _reason(given, shape))


def first_fitting(X: Float[Tensor, "n *given"], takes: Callable[[Shape], bool]) -> LaidOut:
    """Brings a batch to the first layout that a model takes which states no shape."""
    given = tuple(X.shape[1:])
    if takes(given):
        return LaidOut(X, AS_IT_IS)
    tried = [given]
    for shape in candidates(given):
        if takes(shape):
            return laid_out(X, shape)
        tried.append(shape)
    return LaidOut(
        None, f"a model that takes states of none of the shapes {', '.join(map(str, tried))}"
    )


def candidates(given: Shape) -> Iterator[Shape]:
    """Yields the shapes that states of this one are likely to have in a model, the likeliest first.

    With a channel axis; without axes of length 1; with the channels first; flat.
    """
    shapes = [
        (1, *given) if 1 not in given else None,
        _without_ones(given) or (1,),
        _channels_first(given),
        (prod(given),),
    ]
    seen = {given}
    for shape in shapes:
        if shape is not None and shape not in seen:
            seen.add(shape)
            yield shape


def restored(image: Tensor, like: Tensor, *, flat: bool) -> Tensor:
    """Returns an image in the shape of its batch, if only its axes differ.

    Axes of length 1 that a model dropped or added do not matter.
    """
    given, made = tuple(like.shape), tuple(image.shape)
    if given == made or like.numel() != image.numel():
        return image
    # A `squeeze` of a batch of one state drops the axis of the batch too.
    squeezed = given[0] == 1 and made == _without_ones(given)
    if not squeezed and made[:1] != given[:1]:
        return image
    same = squeezed or _without_ones(made[1:]) == _without_ones(given[1:])
    same = same or (flat and 2 in (len(made), len(given)))
    return image.reshape(given) if same else image


def channels_first(shape: Shape) -> Shape:
    """Returns the shape `(channels, *sides)` of a state of shape `(*sides, channels)`."""
    return shape[-1:] + shape[:-1]


def _channels_first(given: Shape) -> Shape | None:
    """Moves the channels first; None where it is not certain which axis they are."""
    certain = len(given) >= 3 and given[-1] not in given[:-1]
    return channels_first(given) if certain else None


def _without_ones(shape: Shape) -> Shape:
    return tuple(side for side in shape if side != 1)


def _ones(given: Shape, shape: Shape) -> str:
    """Describes how shapes differ that differ by axes of length 1."""
    if shape == (1, *given):
        return _INSERTED
    if given == (1, *shape):
        return "the channel axis was removed"
    if _without_ones(given) and channels_first(given) == shape:
        return _FIRST
    return f"axes of length 1 were {'inserted' if len(shape) > len(given) else 'removed'}"


def _reason(given: Shape, shape: Shape) -> str:
    if prod(given) != prod(shape):
        return f"states of shape {given} have {prod(given)} entries, {shape} has {prod(shape)}"
    advice = ""
    if len(given) >= 3 and channels_first(shape) == given:
        advice = "; a model whose channels come last: channels_last=True, --channels-last"
    return f"states of shape {given} are not {shape} in another layout that is certain{advice}"
