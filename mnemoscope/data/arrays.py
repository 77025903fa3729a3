"""Arrays as examples: which numbers are accepted, and by which rule they become states.

States are float32, and uint8 pictures have their channels first.
"""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.reading import Alpha, Examples, Found, Reading, Rule, Selection

log = logging.getLogger("mnemoscope")

PICTURE = 127
"""A uint8 array with a value above this is one of pictures: masks, grades and classes end below."""

BYTES = (0.0, 255.0)
"""The numbers of 8-bit pictures that become 0 and 1."""

EXACT = 2**24
"""Up to here float32 has every integer."""

ROUNDING = 1e-6
"""Numbers that lie outside [0, 1] by no more than this were brought there by rounding.

Eight units in the last place of float32 at 1: `MinMaxScaler` computes `X * scale + min`, two
roundings, and gives up to 1.0000002 in float32.
"""

PART = 2**24
"""Numbers that are looked at in one go, so that a mapped file need not fit into memory."""


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


def check_real(array: Any, origin: str) -> None:
    """Refuses an array that holds no real numbers, or not densely in memory."""
    if not isinstance(array, Tensor):
        if array.dtype.kind not in "biuf":
            raise MnemoscopeError(
                f"{origin}, an array of {array.dtype}",
                expected="real numbers",
                todo="convert it; of a complex number take both parts, as two channels",
            )
    elif array.is_complex() or array.is_quantized or array.layout != torch.strided or array.is_meta:
        raise MnemoscopeError(
            f"{origin}, a tensor of {array.dtype}, {array.layout}, on {array.device}",
            expected="real numbers, dense and in memory",
            todo="convert it: torch.view_as_real makes two numbers of a complex one"
            if array.is_complex()
            else "convert it",
        )


def holds_numbers(value: Any) -> bool:
    """Returns whether a value is an array, or lists that make one, of real numbers."""
    if isinstance(value, Tensor):
        return value.ndim > 0
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    return array.ndim > 0 and array.dtype.kind in "biuf"


def as_tensor(array: Tensor | np.ndarray) -> Tensor:
    """Returns an array as a tensor on the CPU, in the nearest dtype; it may share its memory."""
    if isinstance(array, np.ndarray):
        # PyTorch knows neither a foreign byte order nor floats of more than 64 bits.
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
        dtype = np.dtype(np.float64) if wide else array.dtype.newbyteorder("=")
        same = np.ascontiguousarray(array, dtype=dtype)
        # PyTorch warns of arrays that must not be written to, as those of mapped files.
        return torch.from_numpy(same if same.flags.writeable else same.copy())
    return array.detach().cpu()


def stacked(rows: Sequence[Any], noun: str, origin: str, first: int = 0) -> Tensor:
    """Stacks tensors of one shape; `noun` names one: `item`."""
    shapes = [tuple(row.shape) if isinstance(row, Tensor) else "none" for row in rows]
    for place, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise MnemoscopeError(
                f"{origin}, whose examples differ in shape: {noun} {first} has {shapes[0]}, "
                f"{noun} {first + place} {shape}",
                expected="examples of one shape",
                todo="bring them to one shape first",
            )
    return torch.stack(list(rows))


def integer_rule(array: Tensor | np.ndarray) -> Rule | None:
    """Returns the default rule for an array; None where it holds no integers.

    The array may be anything with `dtype`, `shape` and rows that can be sliced.
    """
    if isinstance(array, Tensor):
        if array.is_floating_point() or array.is_complex() or array.dtype == torch.bool:
            return None
        bytes_ = array.dtype == torch.uint8
    else:
        if array.dtype.kind not in "iu":
            return None
        bytes_ = array.dtype == np.uint8
    return "divide" if bytes_ and 0 not in array.shape and _largest(array) > PICTURE else "keep"


def _largest(array: Tensor | np.ndarray) -> int:
    if not array.shape:
        return int(array[()])
    rows = max(1, PART // max(1, int(np.prod(array.shape[1:]))))
    return max(int(array[i : i + rows].max()) for i in range(0, array.shape[0], rows))


def as_numbers(
    X: Tensor, rule: Rule, origin: str, full: tuple[float, float] | None = None
) -> Float[Tensor, " n *shape"]:
    """Reads integers by a rule; `divide` turns the numbers `full`, 0 and 255, into 0 and 1."""
    if rule == "keep":
        return X.float()
    zero, one = BYTES if full is None else full
    low, high = _ends(X)
    if full is None and (low < zero or high > one):
        raise MnemoscopeError(
            f"{origin} with integers from {low:.9g} to {high:.9g}, to be divided by 255",
            expected="whole numbers from 0 to 255",
            todo='keep the numbers as they are: scale="keep", --data-scale keep',
        )
    if zero:
        X = X.double() - zero
    # Numbers of 32 bits are divided before they are rounded to float32.
    exact = X.double() if X.dtype in (torch.int32, torch.int64, torch.float64) else X.float()
    return (exact / (one - zero)).float()


def log_rule(
    X: Tensor, rule: Rule, origin: str, full: tuple[float, float] | None, *, chosen: bool
) -> None:
    """Logs the rule by which integers are read, as a warning where `keep` is the default."""
    kind = str(X.dtype).removeprefix("torch.")
    low, high = _ends(X)
    found = f"{origin}: integers ({kind}, {low:.9g} to {high:.9g})"
    if rule == "divide":
        zero, one = BYTES if full is None else full
        log.info('%s are divided by %.9g; scale="keep" keeps their numbers', found, one - zero)
        return
    rounded = ", rounded to float32" if max(-low, high) > EXACT else ""
    log.log(
        logging.INFO if chosen else logging.WARNING,
        '%s keep their numbers%s; scale="divide" (--data-scale divide) divides them by 255',
        found,
        rounded,
    )


def from_range(X: Float[Tensor, " n *shape"], reading: Reading) -> Float[Tensor, " n *shape"]:
    """Maps the range that the caller named, if any, to [0, 1]; returns float32."""
    if not isinstance(reading.scale, tuple):
        return X.float()
    low, high = reading.scale
    return ((X.double() - low) / (high - low)).float()


def clipped(
    X: Float[Tensor, " n *shape"], refusal: Callable[[Tensor], MnemoscopeError]
) -> Float[Tensor, " n *shape"]:
    """Clips numbers that rounding left outside [0, 1]; `refusal` builds the error for NaN."""
    low, high = map(float, X.aminmax())
    if not math.isfinite(high - low):
        raise refusal(X)
    # Small numbers of both signs are no rounding of 0: the range must be that of [0, 1].
    if max(-low, high - 1) > 0 and low >= -ROUNDING and 0.5 <= high <= 1 + ROUNDING:
        log.info("numbers from %.9g to %.9g are clipped to [0, 1]", low, high)
        return X.clamp(0, 1)
    return X


def _ends(X: Tensor) -> tuple[float, float]:
    # PyTorch's unsigned integers of more than 8 bits have no minimum.
    numbers = X.double() if X.dtype in (torch.uint16, torch.uint32, torch.uint64) else X
    return float(numbers.min()), float(numbers.max())


def duplicates(X: Float[Tensor, " n *shape"]) -> list[tuple[int, int]]:
    """Lists pairs `(first, later)` of equal examples, each with the first that equals it."""
    first: dict[bytes, int] = {}
    pairs = []
    # Adding 0 makes one zero of the two; NumPy lacks bfloat16.
    for index, row in enumerate((X.detach().cpu().double() + 0).flatten(1).numpy()):
        earlier = first.setdefault(row.tobytes(), index)
        if earlier != index:
            pairs.append((earlier, index))
    return pairs
