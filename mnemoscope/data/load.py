"""`load_data`: examples from wherever they are, as float32."""

import difflib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.data.arrays import READERS, array_examples, check_real, read_array
from mnemoscope.data.digits import digits
from mnemoscope.data.folder import ENDINGS, folder_pictures, picture_files
from mnemoscope.data.hugging_face import hugging_face_examples
from mnemoscope.data.integers import integer_rule
from mnemoscope.data.photos import photos
from mnemoscope.data.pictures import shaped
from mnemoscope.data.reading import AS_IT_IS, Alpha, Examples, Integers, Reading
from mnemoscope.data.selection import Selection
from mnemoscope.data.whole_numbers import whole_number
from mnemoscope.errors import MnemoscopeError

BUNDLED = ("digits", "photos")

PICKLES = (".pkl", ".pickle", ".joblib")

KNOWN = (
    "digits, photos, a folder of pictures, a picture, a .npy, .npz, .pt or .safetensors file, "
    "or hf:<name or folder>[:split]"
)

DIGIT_LEVELS = 16
"""The largest number in scikit-learn's digits."""

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
    *,
    integers: Integers | None = None,
    column: str | None = None,
    alpha: Alpha | None = None,
) -> Float[Tensor, " n *shape"]:
    """Loads examples as float32; pictures as `(n, channels, height, width)`, in [0, 1].

    Sources:

    - `digits`: scikit-learn's handwritten digits, `(1, 8, 8)`;
    - `photos`: crops of its two photographs at `size` (default 32), far apart from each other;
    - a folder of pictures, by name, or one picture file; they must be of one size, or `size` is
      passed. Each page of a TIFF and each frame of an animated GIF, PNG or WebP is an example;
    - a `.npy`, `.npz`, `.pt` or `.safetensors` file: integers, truth values, or numbers in [0, 1];
      of several arrays the one called `column`, or `X`, `x`, `images` or `data`;
    - `hf:<name or folder>[:split]`: a Hugging Face dataset (needs `mnemoscope[hf]`);
    - a tensor or an array.

    Picture files and uint8 arrays with a value above 127 are pictures: their integers are divided
    by 255 (16-bit picture files by 65535). All other integers (masks, classes, grades, 12-bit
    images) keep their numbers, and the log (`logging.getLogger("mnemoscope")`) says so. Other data
    for the same model must be read by the same rule: pass `integers`.

    A `pathlib.Path` is always a path, so `Path("digits")` is a folder of that name.

    Args:
        source: One of these.
        n: Number of examples (default: all, of `photos` 20).
        offset: Number of examples to skip before them.
        size: Height and width: pictures are cropped to a centred square and resized.
        gray: Turn colours into grey (luma of ITU-R 601).
        integers: `divide` or `keep`: the rule for integers (default: as above).
        column: Column of a dataset, or name of an array in a file of several (default: of a
            dataset the only column of pictures, or else of arrays, that is not a label or a mask).
        alpha: `white` lays uint8 pictures `(n, height, width, 4)` on white by their fourth plane,
            `plane` keeps it as a plane like the others (default: keep it, unless it is 255
            everywhere).

    Returns:
        A copy: to change it does not change the source.

    Raises:
        MnemoscopeError: the source is missing, empty, cut off, of the wrong kind or a pickle; its
            pictures differ in size; it has NaN or infinity, or floating-point numbers outside
            [0, 1]; it has several columns that could be meant; or it has fewer examples than were
            asked for. Nothing is ever unpickled.
    """
    return read_examples(source, n, offset, size, gray, Reading(integers, column, alpha)).X


def read_examples(
    source: str | os.PathLike[str] | Tensor | np.ndarray,
    n: int | None = None,
    offset: int = 0,
    size: int | None = None,
    gray: bool = False,
    reading: Reading = AS_IT_IS,
) -> Examples:
    """Loads examples as `load_data` does, and says by which rule and from which column.

    Args:
        source: As for `load_data`.
        n: As for `load_data`.
        offset: As for `load_data`.
        size: As for `load_data`.
        gray: As for `load_data`.
        reading: How its numbers are to be read.

    Raises:
        MnemoscopeError: as `load_data`.
    """
    selection = Selection(
        None if n is None else whole_number("n", n, least=1),
        whole_number("offset", offset, least=0),
    )
    if size is not None:
        size = whole_number("size", size, least=1, most=LARGEST)
    if isinstance(source, Tensor | np.ndarray):
        told = f"a {type(source).__name__}"
        _refuse_options(told, reading, "column")
        found = _selected(source, selection, told, reading)
    elif isinstance(source, str | os.PathLike) and isinstance(os.fspath(source), str):
        told = str(source)
        found = _named(source, selection, size, reading)
    else:
        raise MnemoscopeError(
            f"a source of type {type(source).__name__}",
            expected=f"{KNOWN}, a tensor or an array",
            todo="turn examples into one array with numpy.stack or torch.stack",
        )
    X = shaped(found.X, size, gray, told).clone(memory_format=torch.contiguous_format)
    return replace(found, X=X)


def _named(
    source: str | os.PathLike[str], selection: Selection, size: int | None, reading: Reading
) -> Examples:
    if source in BUNDLED:
        _refuse_options(str(source), reading, "column", "alpha")
        rule = reading.integers or ("divide" if source == "photos" else None)
        return Examples(_bundled(str(source), selection, size, reading), rule)
    if isinstance(source, str) and source.startswith("hf:"):
        return hugging_face_examples(source, selection, size, reading)
    if not os.fspath(source).strip():
        raise MnemoscopeError("an empty source", expected=KNOWN, todo="name one of these")
    return _from_path(Path(source), selection, size, reading)


def _bundled(name: str, selection: Selection, size: int | None, reading: Reading) -> Tensor:
    """The bundled pictures, in [0, 1] or, where integers keep their numbers, in their levels."""
    keep = reading.integers == "keep"
    if name == "digits":
        X = digits()
        X = X[selection.rows(len(X), name)]
        return X * DIGIT_LEVELS if keep else X
    size = 32 if size is None else size
    end = selection.offset + FEW if selection.end is None else selection.end
    X = photos(end, size)
    X = X[selection.rows(len(X), f"photos of size {size}")]
    return X * 255 if keep else X


def _refuse_options(told: str, reading: Reading, *names: str) -> None:
    """Refuses what a source has no use for."""
    for name in names:
        value = getattr(reading, name)
        if value is not None and reading.strict:
            raise MnemoscopeError(
                f"{name}={value!r} for {told}",
                expected="nothing, since there is nothing to choose from",
                todo=f"leave {name} out",
            )


def _from_path(path: Path, selection: Selection, size: int | None, reading: Reading) -> Examples:
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
    suffix = path.suffix.lower()
    if path.is_dir() or (suffix in ENDINGS and path.is_file()):
        return _pictures(path, selection, size, reading)
    if suffix not in READERS or not path.is_file():
        raise MnemoscopeError(
            f"{path}, a {suffix or 'nameless'} file", expected=KNOWN, todo=_instead_of(suffix)
        )
    array = read_array(path, reading)
    found = _selected(array.array, selection, str(path), reading)
    return replace(found, column=array.name)


def _pictures(path: Path, selection: Selection, size: int | None, reading: Reading) -> Examples:
    """The pictures in a folder or a file."""
    _refuse_options(str(path), reading, "column", "alpha")
    rule = reading.integers or "divide"
    keep = rule == "keep"
    if path.is_dir():
        return Examples(folder_pictures(path, selection, size, keep=keep), rule)
    return Examples(picture_files([path], str(path), selection, size, keep=keep), rule)


def _selected(
    array: Tensor | np.ndarray, selection: Selection, told: str, reading: Reading
) -> Examples:
    check_real(array, told)
    rows = selection.rows(array.shape[0] if array.ndim else 0, told)
    # By the whole array, so that any part of it is read in the same way.
    rule = integer_rule(array)
    return array_examples(array[rows], told, reading, rule=rule, first=selection.offset)


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
    return "put pictures into a folder, or save arrays with numpy.save"
