"""`load_data`: examples from wherever they are, as float32 in [0, 1]."""

import difflib
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.data.arrays import READERS, array_examples, check_real, read_array
from mnemoscope.data.digits import digits
from mnemoscope.data.folder import ENDINGS, folder_pictures
from mnemoscope.data.hugging_face import hugging_face_examples
from mnemoscope.data.photos import photos
from mnemoscope.data.pictures import shaped
from mnemoscope.data.selection import Selection
from mnemoscope.data.whole_numbers import whole_number
from mnemoscope.errors import MnemoscopeError

BUNDLED = ("digits", "photos")

PICKLES = (".pkl", ".pickle", ".joblib")

KNOWN = (
    "digits, photos, a folder of pictures, a .npy, .npz, .pt or .safetensors file, "
    "or hf:<name or folder>[:split]"
)

FEW = 20
"""Photos where no number is given."""

LARGEST = 4096
"""Pixels; a larger size is a mistake."""


def load_data(
    source: str | os.PathLike[str] | Tensor | np.ndarray,
    n: int | None = None,
    offset: int = 0,
    size: int | None = None,
    gray: bool = False,
) -> Float[Tensor, " n *shape"]:
    """Loads examples as float32 in [0, 1]; pictures as `(n, channels, height, width)`.

    Sources:

    - `digits`: scikit-learn's handwritten digits, `(1, 8, 8)`;
    - `photos`: crops of its two photographs at `size` (default 32), far apart from each other;
    - a folder of pictures, by name; they must be of one size, or `size` mends it;
    - a `.npy`, `.npz`, `.pt` or `.safetensors` file: 8-bit pictures, or numbers in [0, 1]; of
      several arrays the one called `X`, `x`, `images` or `data`;
    - `hf:<name or folder>[:split]`: a Hugging Face dataset (needs `mnemoscope[hf]`);
    - a tensor or an array.

    A `pathlib.Path` is always a path, so `Path("digits")` is a folder of that name.

    Args:
        source: One of these.
        n: How many examples; all there are if left out (of `photos`: 20).
        offset: How many to leave out before them.
        size: Height and width: pictures are cropped to a centred square and resized.
        gray: Turn colours into grey (luma of ITU-R 601).

    Returns:
        A copy: to change it does not change the source.

    Raises:
        MnemoscopeError: the source is missing, empty, cut off, of the wrong kind or a pickle; its
            pictures differ in size; it has NaN, infinity or numbers outside [0, 1]; or it has
            fewer examples than were asked for. Nothing is ever unpickled.
    """
    selection = Selection(
        None if n is None else whole_number("n", n, least=1),
        whole_number("offset", offset, least=0),
    )
    if size is not None:
        size = whole_number("size", size, least=1, most=LARGEST)
    if isinstance(source, Tensor | np.ndarray):
        told = f"a {type(source).__name__}"
        X = _selected(source, selection, told)
    elif isinstance(source, str | os.PathLike) and isinstance(os.fspath(source), str):
        told = str(source)
        X = _named(source, selection, size)
    else:
        raise MnemoscopeError(
            f"a source of type {type(source).__name__}",
            expected=f"{KNOWN}, a tensor or an array",
            todo="turn examples into one array with numpy.stack or torch.stack",
        )
    return shaped(X, size, gray, told).clone(memory_format=torch.contiguous_format)


def _named(source: str | os.PathLike[str], selection: Selection, size: int | None) -> Tensor:
    if source == "digits":
        X = digits()
        return X[selection.rows(len(X), "digits")]
    if source == "photos":
        size = 32 if size is None else size
        end = selection.offset + FEW if selection.end is None else selection.end
        X = photos(end, size)
        return X[selection.rows(len(X), f"photos of size {size}")]
    if isinstance(source, str) and source.startswith("hf:"):
        return hugging_face_examples(source, selection, size)
    if not os.fspath(source).strip():
        raise MnemoscopeError("an empty source", expected=KNOWN, todo="name one of these")
    return _from_path(Path(source), selection, size)


def _from_path(path: Path, selection: Selection, size: int | None) -> Tensor:
    try:
        if not str(path).isprintable():
            raise ValueError("it has a character that cannot be printed")
        path = path.expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        near = _nearest(path)
        raise MnemoscopeError(
            f"{path}, which does not exist",
            expected=KNOWN,
            todo=f"did you mean {near}?" if near else "check the path",
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise MnemoscopeError(
            f"{str(path)[:80]!r}, which is no usable path ({getattr(error, 'strerror', error)})",
            expected=KNOWN,
            todo="check the path and its permissions",
        ) from error
    if path.is_dir():
        return folder_pictures(path, selection, size)
    suffix = path.suffix.lower()
    if suffix not in READERS or not path.is_file():
        raise MnemoscopeError(
            f"{path}, a {suffix or 'nameless'} file", expected=KNOWN, todo=_instead_of(suffix)
        )
    return _selected(read_array(path), selection, str(path))


def _selected(array: Tensor | np.ndarray, selection: Selection, told: str) -> Tensor:
    check_real(array, told)
    rows = selection.rows(array.shape[0] if array.ndim else 0, told)
    return array_examples(array[rows], told, first=selection.offset)


def _nearest(path: Path) -> str | None:
    """What was probably meant: a bundled source, or a neighbour of the missing file."""
    near = difflib.get_close_matches(str(path), BUNDLED, n=1)
    if near:
        return near[0]
    try:
        neighbours = [neighbour.name for neighbour in path.parent.iterdir()]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, neighbours, n=1)
    return str(path.parent / near[0]) if near else None


def _instead_of(suffix: str) -> str:
    if suffix in PICKLES:
        return "a pickle is never read: save its array with numpy.save"
    if suffix in ENDINGS:
        return "give the folder the picture is in"
    return "put pictures into a folder, or save arrays with numpy.save"
