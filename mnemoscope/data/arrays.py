"""Arrays as examples: float32, uint8 pictures with their channels first."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.readers.reader import Found
from mnemoscope.data.reading import Examples, Reading
from mnemoscope.data.scaling import as_numbers, clipped, from_range, log_rule
from mnemoscope.data.transparency import opaque
from mnemoscope.data.values import as_tensor


def decoded_examples(
    X: Float[Tensor, "n c h w"],
    reading: Reading,
    *,
    key: str | None = None,
    column: str | None = None,
    split: str | None = None,
) -> Examples:
    """Returns pictures that were decoded as `reading` says, from the range that it names, if any.

    Args:
        X: In [0, 1], or in the numbers of their format where these are kept.
        reading: What the caller says of them.
        key: The array that was taken.
        column: The column that was taken.
        split: The split that was taken.
    """
    return Examples(from_range(X, reading), reading.scale or "divide", key, column, split)


def array_examples(found: Found, told: str, reading: Reading, *, first: int = 0) -> Examples:
    """Turns an array into examples.

    Arrays keep their shape and their range. Only uint8 pictures, which are divided by 255, and what
    a format says are pictures become `(n, channels, height, width)`; no plane is lost but a
    transparency that is 255 everywhere. Truth values become 0 and 1.

    Args:
        found: The examples as they were found.
        told: Their source, as the message names it.
        reading: What the caller says of it.
        first: The index of its first example in the source, for the message.

    Raises:
        MnemoscopeError: there is no axis of examples, there are no examples, or a number is NaN or
            infinite.
    """
    X = as_tensor(found.array)
    if X.ndim < 2 or X.numel() == 0:
        raise MnemoscopeError(
            f"{told}, an array of shape {tuple(X.shape)}",
            expected="(n, *shape) with at least one example",
            todo="one example is array[None]",
        )
    whole = not (X.is_floating_point() or X.dtype == torch.bool)
    rule = (reading.rule or found.rule or "keep") if whole else None
    bytes_ = whole and X.dtype == torch.uint8
    pictures = found.pictures or (rule == "divide" and found.full is None)
    planes = pictures and bytes_ and X.ndim == 4 and _has_last(X, (4,))
    if reading.alpha is not None and reading.strict and not planes:
        raise MnemoscopeError(
            f"alpha={reading.alpha!r} for {told}, of {X.dtype} and shape {tuple(X.shape)}",
            expected="uint8 pictures (n, height, width, 4), which may have a transparency",
            todo="leave alpha out",
        )
    if rule is not None:
        log_rule(X, rule, told, found.full, chosen=reading.scale is not None)
        X = as_numbers(X, rule, told, found.full)
    elif not isinstance(reading.scale, tuple):
        X = X.float()
    alpha = None
    if planes and reading.channels_last is not False:
        white = 255.0 if rule == "keep" else 1.0
        X, alpha = opaque(X.permute(0, 3, 1, 2) / white, reading.alpha, told)
        X = X * white
    else:
        X = _laid_out(X, pictures, reading, told)
    X = clipped(from_range(X, reading), lambda X: _refuse(X, told, first))
    scale = reading.scale if isinstance(reading.scale, tuple) else rule
    return Examples(X, scale, found.key, found.column, found.split, reading.channels_last, alpha)


def _laid_out(
    X: Float[Tensor, " n *shape"], pictures: bool, reading: Reading, told: str
) -> Float[Tensor, " n *shape2"]:
    """The array with its channels first, where it has any."""
    if reading.channels_last:
        if X.ndim < 3:
            raise MnemoscopeError(
                f"channels_last for {told}, an array of shape {tuple(X.shape)}",
                expected="(n, ..., channels)",
                todo="leave channels_last out",
            )
        return X.movedim(-1, 1)
    if not pictures:
        return X
    if X.ndim == 3:
        return X[:, None]
    return X.permute(0, 3, 1, 2) if _moves(X) and reading.channels_last is None else X


def _moves(X: Tensor) -> bool:
    return X.ndim == 4 and _has_last(X, (1, 3))


def _has_last(X: Tensor, channels: tuple[int, ...]) -> bool:
    """Whether the last axis is one of so many channels."""
    a, b, c = X.shape[1:]
    # (16, 4, 4) is sixteen channels of 4 × 4, not a picture with transparency.
    return c in channels and a not in (1, 3) and b != c


def _refuse(X: Tensor, told: str, first: int) -> MnemoscopeError:
    """What is told of numbers that are not finite in float32."""
    bad = ~torch.isfinite(X)
    example, *entry = bad.nonzero()[0].tolist()
    return MnemoscopeError(
        f"{told} with NaN or infinity in example {first + example} at {tuple(entry)} "
        f"({int(bad.sum())} such numbers in all)",
        expected="finite numbers of at most 3.4e38",
        todo="correct or leave out that example",
    )
