"""Arrays in memory and in files; nothing is ever unpickled."""

import logging
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from mnemoscope.data.integers import as_numbers, integer_rule, log_rule
from mnemoscope.data.reading import AS_IT_IS, Examples, Integers, Reading
from mnemoscope.data.transparency import opaque
from mnemoscope.errors import MnemoscopeError
from mnemoscope.small_files import check_regular
from mnemoscope.stored_tensors import computable

log = logging.getLogger("mnemoscope")

NAMES = ("X", "x", "images", "data")
"""Of several arrays in a file, the one with the first of these names is taken."""


@dataclass(frozen=True)
class Found:
    """An array in a file.

    Attributes:
        array: The array.
        name: Its name, where the file holds several.
    """

    array: Tensor | np.ndarray
    name: str | None = None


def read_array(path: Path, reading: Reading = AS_IT_IS) -> Found:
    """Reads the array in a `.npy`, `.npz`, `.pt` or `.safetensors` file.

    Raises:
        MnemoscopeError: the file is empty, cut off, of another kind, holds pickled objects, has no
            array of the name that is asked for, or several of which none has a known name.
    """
    try:
        check_regular(path)
        if path.stat().st_size == 0:
            raise MnemoscopeError(
                f"{path}, which is empty (0 bytes)",
                expected="a file with examples",
                todo="check the path",
            )
        return READERS[path.suffix.lower()](path, reading)
    except MnemoscopeError:
        raise
    except Exception as error:  # Of a damaged file the readers raise errors of any kind.
        told = str(error).strip()
        raise MnemoscopeError(
            f"{path}, which "
            + (
                "holds pickled objects; they could run code and are never unpickled"
                if _is_of_a_pickle(error)
                else f"cannot be read ({told.splitlines()[0] if told else type(error).__name__})"
            ),
            expected=f"a whole {path.suffix} file that holds plain arrays",
            todo="save the array itself, for example with numpy.save(path, array)",
        ) from error


def _is_of_a_pickle(error: Exception) -> bool:
    # NumPy says so in words only.
    return isinstance(error, pickle.UnpicklingError) or "allow_pickle" in str(error)


def _chosen(names: Iterable[str], path: Path, reading: Reading) -> str:
    """The name that is asked for, the only one, or the first known one."""
    found = list(names)
    if reading.column in found:
        return reading.column
    if reading.column is not None and reading.strict:
        raise MnemoscopeError(
            f"column {reading.column!r} of {path}, which holds {', '.join(found) or 'no array'}",
            expected="the name of one of its arrays",
            todo="name one of these",
        )
    if len(found) == 1:
        return found[0]
    for name in NAMES:
        if name in found:
            _log_choice(name, found, path)
            return name
    raise MnemoscopeError(
        f"{path}, which holds {', '.join(map(str, found)) or 'no array'}",
        expected=f"one array, or one called {', '.join(NAMES)}",
        todo="name the array, column=..., --column NAME, or rename it",
    )


def _log_choice(name: str, found: list[str], path: Path) -> None:
    """Names the array that is taken: a warning where another one is as likely."""
    likely = sum(other in NAMES for other in found) > 1
    log.log(
        logging.WARNING if likely else logging.INFO,
        '%s: the array "%s" is taken (of %s); column=..., --column takes another',
        path,
        name,
        ", ".join(found),
    )


def _refuse_column(path: Path, reading: Reading) -> None:
    if reading.column is not None and reading.strict:
        raise MnemoscopeError(
            f"column {reading.column!r} of {path}, which holds one array without a name",
            expected="nothing, since there is nothing to choose from",
            todo="leave the column out",
        )


def _npz(path: Path, reading: Reading) -> Found:
    # NumPy takes any other file for a pickle, and would tell of one.
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no .npz archive, or cut off")
    with zipfile.ZipFile(path) as members:
        if not all(name.endswith(".npy") for name in members.namelist()):
            raise ValueError("it is an archive of something else than arrays")
    with np.load(path, allow_pickle=False) as archive:
        name = _chosen(archive.files, path, reading)
        return Found(archive[name], name if len(archive.files) > 1 else None)


def _npy(path: Path, reading: Reading) -> Found:
    _refuse_column(path, reading)
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("it is not a NumPy file")
        file.seek(0)
        return Found(np.lib.format.read_array(file, allow_pickle=False))


def _pt(path: Path, reading: Reading) -> Found:
    with path.open("rb") as file:
        start = file.read(2)
    # PyTorch takes any other file for a pickle, and would tell of one.
    if start != b"PK" and (start[:1] != b"\x80" or len(start) < 2):
        raise ValueError("it is not a PyTorch file")
    if start == b"PK" and not zipfile.is_zipfile(path):
        raise ValueError("it is cut off")
    with warnings.catch_warnings():
        # Of a pickle's protocol; what cannot be read is told by an error.
        warnings.simplefilter("ignore")
        content = torch.load(path, weights_only=True, map_location="cpu")
    if isinstance(content, Tensor):
        _refuse_column(path, reading)
        return Found(computable(content, str(path)))
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not a tensor")
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    name = _chosen(tensors, path, reading)
    return Found(computable(tensors[name], str(path)), name if len(tensors) > 1 else None)


def _safetensors(path: Path, reading: Reading) -> Found:
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        name = _chosen(names, path, reading)
        array = computable(file.get_tensor(name), str(path))
        return Found(array, name if len(names) > 1 else None)


READERS: dict[str, Callable[[Path, Reading], Found]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
    ".safetensors": _safetensors,
}


def array_examples(
    array: Tensor | np.ndarray,
    told: str,
    reading: Reading = AS_IT_IS,
    *,
    rule: Integers | None = None,
    first: int = 0,
) -> Examples:
    """Reads an array as examples: float32, pictures with their channels first.

    Integers are divided by 255 or keep their numbers, by the rule of `mnemoscope.data.integers`;
    truth values become 0 and 1; floating-point numbers must lie in [0, 1]. `(n, h, w)` and
    `(n, h, w, channels)` of 1 or 3 channels become pictures `(n, channels, h, w)`, and so do 8-bit
    pictures of 4 planes; all other arrays keep their shape, and no plane is lost but a
    transparency that is 255 everywhere.

    Args:
        array: The examples.
        told: The array, as the message names it.
        reading: What the caller says of it.
        rule: The rule for its integers, where it was chosen by more than these examples.
        first: The index of its first example in the source, for the message.

    Raises:
        MnemoscopeError: there is no axis of examples, there are no examples, or a number is NaN,
            infinite or out of range.
    """
    check_real(array, told)
    X = as_tensor(array)
    if X.ndim < 2 or X.numel() == 0:
        raise MnemoscopeError(
            f"{told}, an array of shape {tuple(X.shape)}",
            expected="(n, *shape) with at least one example",
            todo="one example is array[None]",
        )
    rule = reading.integers or rule or integer_rule(X)
    pictures = X.dtype == torch.uint8 and rule == "divide"
    planes = pictures and _has_fourth_plane(X)
    if reading.alpha is not None and reading.strict and not planes:
        raise MnemoscopeError(
            f"alpha={reading.alpha!r} for {told}, of {X.dtype} and shape {tuple(X.shape)}",
            expected="uint8 pictures (n, height, width, 4), which may have a transparency",
            todo="leave alpha out",
        )
    if X.dtype == torch.bool:
        return Examples(_channels_first(X.float()))
    if X.is_floating_point():
        X = X if X.dtype == torch.float64 else X.float()
        _check_finite(X, told, first)
        _check_range(X, 1, told, "floating-point numbers in [0, 1]")
        return Examples(_channels_first(X.float()))
    assert rule is not None
    log_rule(X, rule, told, chosen=reading.integers is not None)
    X = as_numbers(X, rule, told)
    if planes:
        X, alpha = opaque(X.permute(0, 3, 1, 2), reading.alpha, told)
        return Examples(X, rule, alpha=alpha)
    return Examples(_channels_first(X), rule)


def check_real(array: Tensor | np.ndarray, told: str) -> None:
    """Refuses what holds no real numbers, or not densely in memory.

    Raises:
        MnemoscopeError: the array is of that sort.
    """
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "biuf":
            raise MnemoscopeError(
                f"{told}, an array of {array.dtype}",
                expected="real numbers",
                todo="convert it; of a complex number take both parts, as two channels",
            )
    elif array.is_complex() or array.is_quantized or array.layout != torch.strided or array.is_meta:
        raise MnemoscopeError(
            f"{told}, a tensor of {array.dtype}, {array.layout}, on {array.device}",
            expected="real numbers, dense and in memory",
            todo="convert it: torch.view_as_real makes two numbers of a complex one"
            if array.is_complex()
            else "convert it",
        )


def as_tensor(array: Tensor | np.ndarray) -> Tensor:
    """Returns an array as a tensor on the CPU, in the nearest dtype that PyTorch has."""
    if isinstance(array, np.ndarray):
        # PyTorch knows neither a foreign byte order nor floats of more than 64 bits.
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
        dtype = np.dtype(np.float64) if wide else array.dtype.newbyteorder("=")
        return torch.from_numpy(np.array(array, dtype=dtype, order="C"))
    return array.detach().cpu()


def _channels_first(X: Tensor) -> Tensor:
    if X.ndim == 3:
        return X[:, None]
    if X.ndim == 4 and _has_last(X, (1, 3)):
        return X.permute(0, 3, 1, 2)
    return X


def _has_fourth_plane(X: Tensor) -> bool:
    return X.ndim == 4 and _has_last(X, (4,))


def _has_last(X: Tensor, channels: tuple[int, ...]) -> bool:
    """Whether the last axis is one of so many channels."""
    a, b, c = X.shape[1:]
    # (16, 4, 4) is sixteen channels of 4 × 4, not a picture with transparency.
    return c in channels and a not in (1, 3) and b != c


def _check_finite(X: Tensor, told: str, first: int) -> None:
    bad = ~torch.isfinite(X)
    if bool(bad.any()):
        example, *entry = bad.nonzero()[0].tolist()
        raise MnemoscopeError(
            f"{told} with NaN or infinity in example {first + example} at {tuple(entry)} "
            f"({int(bad.sum())} such numbers in all)",
            expected="finite numbers",
            todo="mend or leave out that example",
        )


def _check_range(X: Tensor, top: int, told: str, expected: str) -> None:
    low, high = float(X.min()), float(X.max())
    if low >= 0 and high <= top:
        return
    if low >= 0 and high <= 255:
        todo = "divide them by 255, or clip them with X.clip(0, 1)"
    elif low >= -1 and high <= 1:
        todo = "bring them to [0, 1] with (X + 1) / 2"
    else:
        todo = "scale them: (X - X.min()) / (X.max() - X.min())"
    raise MnemoscopeError(
        f"{told} with numbers from {low:.9g} to {high:.9g}", expected=expected, todo=todo
    )
