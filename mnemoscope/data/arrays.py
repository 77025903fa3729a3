"""Arrays as examples: float32, uint8 pictures with their channels first."""

import logging

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.readers.reader import Found
from mnemoscope.data.reading import Alpha, Examples, Reading, Selection
from mnemoscope.data.values import as_numbers, as_tensor, clipped, from_range, log_rule

log = logging.getLogger("mnemoscope")


def decoded_examples(
    X: Float[Tensor, "n c h w"],
    reading: Reading,
    *,
    column: str | None = None,
    split: str | None = None,
) -> Examples:
    """Wraps decoded pictures, in [0, 1] or in the numbers of their format, as examples."""
    return Examples(from_range(X, reading), reading.scale or "divide", None, column, split)


def array_examples(found: Found, origin: str, selection: Selection, reading: Reading) -> Examples:
    """Turns an array into examples.

    Arrays keep their shape and their range. Only uint8 pictures, which are divided by 255, what a
    format says are pictures, and what is to be resized or turned grey become `(n, channels, height,
    width)`; no plane is lost but a transparency that is 255 everywhere. Truth values become 0 and
    1. Decoded pictures are ready.
    """
    X = as_tensor(found.array)
    if found.scaled:
        return decoded_examples(X, reading, column=found.column, split=found.split)
    if X.ndim < 2 or X.numel() == 0:
        raise MnemoscopeError(
            f"{origin}, an array of shape {tuple(X.shape)}",
            expected="(n, *shape) with at least one example",
            todo="one example is array[None]",
        )
    whole = not (X.is_floating_point() or X.dtype == torch.bool)
    rule = (reading.rule or found.rule or "keep") if whole else None
    bytes_ = whole and X.dtype == torch.uint8
    reshaped = (selection.size is not None or selection.gray) and X.ndim in (3, 4)
    pictures = found.pictures or reshaped or (rule == "divide" and found.full is None)
    planes = pictures and bytes_ and X.ndim == 4 and _has_last(X, (4,))
    if reading.alpha is not None and reading.strict and not planes:
        raise MnemoscopeError(
            f"alpha={reading.alpha!r} for {origin}, of {X.dtype} and shape {tuple(X.shape)}",
            expected="uint8 pictures (n, height, width, 4), which may have a transparency",
            todo="leave alpha out",
            field="alpha",
        )
    if rule is not None:
        log_rule(X, rule, origin, found.full, chosen=reading.scale is not None)
        X = as_numbers(X, rule, origin, found.full)
    elif not isinstance(reading.scale, tuple):
        X = X.float()
    alpha = None
    if planes and reading.channels_last is not False:
        white = 255.0 if rule == "keep" else 1.0
        X, alpha = _opaque(X.permute(0, 3, 1, 2) / white, reading.alpha, origin)
        X = X * white
    else:
        X = _laid_out(X, pictures, reading, origin)
    X = clipped(from_range(X, reading), lambda X: _not_finite(X, origin, selection.offset))
    scale = reading.scale if isinstance(reading.scale, tuple) else rule
    return Examples(X, scale, found.key, found.column, found.split, reading.channels_last, alpha)


def _laid_out(
    X: Float[Tensor, " n *shape"], pictures: bool, reading: Reading, origin: str
) -> Float[Tensor, " n *shape2"]:
    """Moves the channels, if any, to the front."""
    if reading.channels_last:
        if X.ndim < 3:
            raise MnemoscopeError(
                f"channels_last for {origin}, an array of shape {tuple(X.shape)}",
                expected="(n, ..., channels)",
                todo="leave channels_last out",
                field="channels_last",
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
    a, b, c = X.shape[1:]
    # (16, 4, 4) is sixteen channels of 4 × 4, not a picture with transparency.
    return c in channels and a not in (1, 3) and b != c


def _not_finite(X: Tensor, origin: str, first: int) -> MnemoscopeError:
    bad = ~torch.isfinite(X)
    example, *entry = bad.nonzero()[0].tolist()
    return MnemoscopeError(
        f"{origin} with NaN or infinity in example {first + example} at {tuple(entry)} "
        f"({int(bad.sum())} such numbers in all)",
        expected="finite numbers of at most 3.4e38",
        todo="correct or leave out that example",
    )


def _opaque(
    X: Float[Tensor, "n 4 h w"], alpha: Alpha | None, origin: str
) -> tuple[Float[Tensor, "n c h w"], Alpha | None]:
    """Composites pictures in [0, 1] on white where their fourth plane is a transparency.

    By default it is one where it is 255 everywhere: leaving it out then loses nothing. Any other
    may be an infrared band, a mask or a depth and is kept.
    """
    colour, cover = X[:, :3], X[:, 3:]
    if alpha == "white":
        return cover * colour + (1 - cover), alpha
    if alpha == "plane":
        return X, alpha
    if bool(torch.all(cover == 1)):
        log.warning(
            '%s: the fourth plane is 255 everywhere and is left out; alpha="plane" '
            "(--alpha plane) keeps it",
            origin,
        )
        return colour, "white"
    log.warning(
        '%s: the fourth plane is kept; if it is a transparency, alpha="white" (--alpha white) '
        "lays the pictures on white",
        origin,
    )
    return X, "plane"
