"""Data brought to the shape of a model's states, where that takes no guess.

Two layouts `s` and `t` of one state are known to be the same in four cases:

- they differ by axes of length 1;
- one is flat, `(d,)` with `d` the product of the other's sides: entries follow row by row;
- `s` has its channels last, `(h, w, c)`, and `t` first, `(c, h, w)`, and no other axis has `c`
  entries;
- they are equal.

Everything else, such as a picture turned on its side, would be a guess and is refused. Which layout
a model takes that states none is found by evaluating it at states of each.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from math import prod
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.maps.failures import MapFailedError
from mnemoscope.maps.live_memory import is_memory
from mnemoscope.maps.sizes import Sizes
from mnemoscope.nets.modules import eval_mode, in_single, state_device, state_dtype

Shape = tuple[int, ...]

AS_IT_IS = "as it is"
"""What is said of data that are not changed."""

_INSERTED = "a channel axis was inserted"
_FIRST = "the channels were moved first"
_FLAT = "flattened row by row"

COUPLED = 0.01
"""Share of the largest entry from which on images of one state in two batches differ, when a batch
was taken for something else: a state without a batch, a sequence."""


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


ANY = Sizes()


def takes(
    apply: Callable[[Tensor], Any],
    shape: Sequence[int],
    *,
    like: Tensor,
    sizes: Sizes = ANY,
    strict: bool = True,
) -> bool:
    """Returns whether a function takes batches of such states, and gives as many entries.

    It is handed batches of two sizes, and with other states in them: one that takes `(n, a, b)` for
    one state of `n` channels takes one size at most, and mixes up the states.
    """
    few = sizes.above(2)
    many = sizes.above(few + 1)
    generator = torch.Generator().manual_seed(0)
    states = torch.rand(many, *shape, generator=generator).to(like)

    def images(batch: Tensor) -> Any:
        with torch.no_grad():
            return apply(batch.clone())

    try:
        whole, part = images(states), images(states[:few]) if few < many else None
        if not isinstance(whole, Tensor):
            return not strict
        fits = _is_batch(whole, states) and (part is None or _is_batch(part, states[:few]))
        return fits and not (strict and many > 1 and _is_coupled(images, states, whole, part))
    except MnemoscopeError as error:
        return not strict and not isinstance(error, MapFailedError)
    except (Exception, SystemExit) as error:
        if is_memory(error):
            raise
        return False


def layout_taken(
    model: Callable[[Tensor], Any],
    X: Float[Tensor, "n *given"],
    *,
    device: torch.device | str | None = None,
) -> LaidOut:
    """Brings data to the layout that a model takes, which does not state its shape.

    The data as they are come first, and nothing else is tried if the model takes these: it must
    give as many entries as it is given.

    Example:
        >>> layout_taken(nn.Conv2d(1, 1, 3, padding=1), torch.rand(4, 8, 8)).how
        'a channel axis was inserted'
    """
    model = in_single(model)
    modules = [model] if isinstance(model, nn.Module) else []
    like = torch.empty(0, dtype=state_dtype(modules, None), device=state_device(modules, device))
    given = tuple(X.shape[1:])
    shapes = [given, *candidates(given)]
    with eval_mode(modules[0]) if modules else nullcontext():
        for shape in shapes:
            if takes(model, shape, like=like, strict=shape != given):
                return laid_out(X, shape)
    listed = ", ".join(map(str, shapes))
    return LaidOut(None, f"a model that takes states of none of the shapes {listed}")


def _is_batch(images: Tensor, states: Tensor) -> bool:
    """Returns whether these have equally many entries for each of the states."""
    return images.shape[:1] == states.shape[:1] and images.numel() == states.numel()


def _is_coupled(
    images: Callable[[Tensor], Tensor], states: Tensor, whole: Tensor, part: Tensor | None
) -> bool:
    """Returns whether images change with the first or last state, or without the others."""
    pairs = [] if part is None else [(whole[: len(part)], part)]
    for place, others in ((0, slice(1, None)), (-1, slice(None, -1))):
        changed = states.clone()
        changed[place] = 1 - changed[place]
        pairs.append((whole[others], images(changed)[others]))
    largest = whole.abs().nan_to_num(0.0, posinf=0.0).max()
    apart = [(a - b).abs().nan_to_num(0.0, posinf=0.0).max() for a, b in pairs]
    return bool(max(apart) > COUPLED * largest)


FLATTEN = "mn.Wrapped(model, flatten=True), --flatten"
"""How a model of flat states becomes a map of others."""


def gives_flat(given: tuple[int, ...], made: tuple[int, ...]) -> MnemoscopeError:
    """Builds the error for a map whose output is the input's shape but for a reshape."""
    what = "flat states" if len(made) == 2 else "the same entries in another shape"
    return MnemoscopeError(
        f"a map from {given} to {made}: it gives {what}",
        expected="an output of its input's shape",
        todo=f"let it be reshaped: {FLATTEN}",
    )


def other_layouts(shape: Shape) -> Iterator[tuple[Shape, str]]:
    """Yields other shapes of such states that a model may take, and how it is then to be used."""
    flat = (prod(shape),)
    for other in candidates(shape):
        if other != flat:
            yield other, f"reshape the data to {_batch(other)}"
    if len(shape) > 1:
        yield (*shape[1:], shape[0]), "mn.Wrapped(model, channels_last=True), --channels-last"
        yield flat, f"let the states be flattened: {FLATTEN}"


def takes_other(error: MapFailedError, shape: Shape, taken: Shape, way: str) -> MapFailedError:
    """Builds the error for a map that fails on its states, and takes them in another layout."""
    cause = error.__cause__ or error
    reason = first_line(cause)
    what = "flat states " if len(taken) == 1 else ""
    return MapFailedError(
        f"a map that takes {what}{_batch(taken)} and fails on {_batch(shape)} "
        f"({type(cause).__name__}: {reason})",
        expected=f"a map from {_batch(shape)} to {_batch(shape)}",
        todo=way,
    )


def not_taken(error: MapFailedError, name: str, shape: Shape, own: Shape) -> MnemoscopeError:
    """Builds the error for a model that does not take states of another shape than its own."""
    return MnemoscopeError(
        f"{name} for states {shape}: {error.given}",
        expected=f"states that it takes; its own shape is {own}",
        todo=f"bring the data to that shape, or {error.todo}",
    )


def _batch(shape: Shape) -> str:
    return f"(n, {', '.join(map(str, shape))})"
