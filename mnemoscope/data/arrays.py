"""Arrays in memory and in files; nothing is ever unpickled."""

import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from mnemoscope.errors import MnemoscopeError
from mnemoscope.small_files import check_regular
from mnemoscope.stored_tensors import computable

NAMES = ("X", "x", "images", "data")
"""Of several arrays in a file, the one with the first of these names is taken."""


def read_array(path: Path) -> Tensor | np.ndarray:
    """The array in a `.npy`, `.npz`, `.pt` or `.safetensors` file.

    Raises:
        MnemoscopeError: the file is empty, cut off, of another kind, holds pickled objects, or
            several arrays of which none has a known name.
    """
    try:
        check_regular(path)
        if path.stat().st_size == 0:
            raise MnemoscopeError(
                f"{path}, which is empty (0 bytes)",
                expected="a file with examples",
                todo="check the path",
            )
        return READERS[path.suffix.lower()](path)
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


def _chosen(names: Iterable[str], path: Path) -> str:
    """The only name, or the first known one."""
    found = list(names)
    if len(found) == 1:
        return found[0]
    for name in NAMES:
        if name in found:
            return name
    raise MnemoscopeError(
        f"{path}, which holds {', '.join(map(str, found)) or 'no array'}",
        expected=f"one array, or one called {', '.join(NAMES)}",
        todo="rename it, or save it alone",
    )


def _npz(path: Path) -> np.ndarray:
    # NumPy takes any other file for a pickle, and would tell of one.
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no .npz archive, or cut off")
    with zipfile.ZipFile(path) as members:
        if not all(name.endswith(".npy") for name in members.namelist()):
            raise ValueError("it is an archive of something else than arrays")
    with np.load(path, allow_pickle=False) as archive:
        return archive[_chosen(archive.files, path)]


def _npy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("it is not a NumPy file")
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def _pt(path: Path) -> Tensor:
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
        return computable(content, str(path))
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds a {type(content).__name__}, not a tensor")
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    return computable(tensors[_chosen(tensors, path)], str(path))


def _safetensors(path: Path) -> Tensor:
    with safe_open(path, framework="pt") as file:
        return computable(file.get_tensor(_chosen(file.keys(), path)), str(path))


READERS: dict[str, Callable[[Path], Tensor | np.ndarray]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
    ".safetensors": _safetensors,
}


def array_examples(
    array: Tensor | np.ndarray, told: str, *, first: int = 0
) -> Float[Tensor, " n *shape"]:
    """An array as examples: float32 in [0, 1], pictures with their channels first.

    Integers, which must be 0 to 255, are divided by 255; truth values become 0 and 1. `(n, h, w)`
    and `(n, h, w, channels)` become pictures `(n, channels, h, w)`, a fourth channel
    (transparency) is dropped; `(n, d)` stays as it is.

    Args:
        array: The examples.
        told: The array, as the message names it.
        first: The index of its first example in the source, for the message.

    Raises:
        MnemoscopeError: there is no axis of examples, there are no examples, or a number is NaN,
            infinite or out of range.
    """
    check_real(array, told)
    X = _tensor(array)
    if X.ndim < 2 or X.numel() == 0:
        raise MnemoscopeError(
            f"{told}, an array of shape {tuple(X.shape)}",
            expected="(n, *shape) with at least one example",
            todo="one example is array[None]",
        )
    if X.dtype == torch.bool:
        return _channels_first(X.float())
    if not X.is_floating_point():
        # PyTorch's unsigned integers of more than 8 bits have no minimum.
        X = X if X.dtype == torch.uint8 else X.double()
        _check_range(X, 255, told, "whole numbers from 0 to 255, or floating-point ones in [0, 1]")
        return _channels_first(X.float() / 255)
    X = X if X.dtype == torch.float64 else X.float()
    _check_finite(X, told, first)
    _check_range(X, 1, told, "floating-point numbers in [0, 1]")
    return _channels_first(X.float())


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
                todo="convert it to float32 in [0, 1] or to 8-bit integers",
            )
    elif array.is_complex() or array.is_quantized or array.layout != torch.strided or array.is_meta:
        raise MnemoscopeError(
            f"{told}, a tensor of {array.dtype}, {array.layout}, on {array.device}",
            expected="real numbers, dense and in memory",
            todo="convert it",
        )


def _tensor(array: Tensor | np.ndarray) -> Tensor:
    if isinstance(array, np.ndarray):
        # PyTorch knows neither a foreign byte order nor floats of more than 64 bits.
        wide = array.dtype.kind == "f" and array.dtype.itemsize > 8
        dtype = np.dtype(np.float64) if wide else array.dtype.newbyteorder("=")
        return torch.from_numpy(np.array(array, dtype=dtype, order="C"))
    return array.detach().cpu()


def _channels_first(X: Tensor) -> Tensor:
    if X.ndim == 3:
        return X[:, None]
    if X.ndim != 4 or not _has_channels_last(*X.shape[1:]):
        return X
    X = X.permute(0, 3, 1, 2)
    return X[:, :3] if X.shape[1] == 4 else X


def _has_channels_last(a: int, b: int, c: int) -> bool:
    # (16, 4, 4) is sixteen channels of 4 × 4, not a picture with transparency.
    return c in (1, 3, 4) and a not in (1, 3) and b != c


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
