"""`load_data`: examples from wherever they are, as float32."""

import difflib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.arrays import array_examples, decoded_examples
from mnemoscope.data.datasets import dataset_examples, is_dataset
from mnemoscope.data.digits import digits
from mnemoscope.data.folder import folder_pictures, is_picture_file, picture_files
from mnemoscope.data.hugging_face import hugging_face_examples
from mnemoscope.data.parts import is_part, read_parts
from mnemoscope.data.photos import photos
from mnemoscope.data.pictures import shaped
from mnemoscope.data.readers import Found, read_file, taken
from mnemoscope.data.reading import AS_IT_IS, Examples, Reading, Scale
from mnemoscope.data.scaling import from_range
from mnemoscope.data.selection import Selection
from mnemoscope.data.tree import files_in
from mnemoscope.data.values import as_tensor

BUNDLED = ("digits", "photos")

PICKLES = (".pkl", ".pickle", ".joblib")

KNOWN = (
    "digits, photos, a folder of pictures, recordings or tables, a picture, a file of arrays or a "
    "table, or hf:<name or folder>[:split]"
)

DIGIT_LEVELS = 16
"""The largest number in scikit-learn's digits."""

FEW = 20
"""Photos where no number is given."""

LARGEST = 4096
"""Pixels; a larger size is a mistake."""


Source = str | os.PathLike[str] | Tensor | np.ndarray | Dataset | DataLoader


def load_data(
    source: Source,
    n: int | None = None,
    offset: int = 0,
    *,
    size: int | None = None,
    gray: bool = False,
    reading: Reading = AS_IT_IS,
    key: str | None = None,
    scale: Scale | None = None,
) -> Float[Tensor, " n *shape"]:
    """Loads examples as float32; pictures as `(n, channels, height, width)`.

    Sources:

    - `digits`: scikit-learn's handwritten digits, `(1, 8, 8)`;
    - `photos`: crops of its two photographs at `size` (default 32), far apart from each other;
    - a folder of pictures, by name, or one picture file; they must be of one size, or `size` is
      passed. Each page of a TIFF and each frame of an animated GIF, PNG or WebP is an example.
      Subfolders, one for each class or split, are read where the folder itself has no picture;
    - a file of arrays: `.npy`, `.npz`, `.pt`, `.safetensors`, IDX, HDF5 and `.h5ad`, `.mat`,
      CIFAR's binary version, DICOM, WAV;
    - a table: CSV, TSV, Parquet, Feather, or a folder of them;
    - `hf:<name or folder>[:split]`: a Hugging Face dataset (needs `mnemoscope[hf]`);
    - a tensor, an array, a `Dataset` or a `DataLoader`.

    Picture files, audio and uint8 arrays with a value above 127 are divided by the largest number
    of their format. All other numbers keep their range, and all other arrays their shape; the log
    (`logging.getLogger("mnemoscope")`) says what was taken. What rounding left less than 1e-6
    outside [0, 1] is clipped. Other data for the same model must be read by the same rule.

    A `pathlib.Path` is always a path, so `Path("digits")` is a folder of that name.

    Args:
        source: One of these.
        n: Number of examples (default: all, of `photos` 20).
        offset: Number of examples to skip before them.
        size: Height and width: pictures are cropped to a centred square and resized.
        gray: Turn colours into grey (luma of ITU-R 601).
        reading: How it is read: key, column, split, scale, channels_last, alpha; see `Reading`.
        key: Short for `reading=Reading(key=...)`: the array to take of a file with several
            (default: the only one of examples, or one of a usual name as `X` or `x_train`).
        scale: Short for `reading=Reading(scale=...)`: `divide`, `keep`, or the two numbers that
            become 0 and 1.

    Returns:
        A copy: to change it does not change the source.

    Raises:
        MnemoscopeError: the source is missing, empty, cut off, of an unknown kind or a pickle; its
            examples differ in shape; it has NaN or infinity; it has several arrays or columns that
            could be meant; or it has fewer examples than were asked for. Nothing is ever unpickled.
    """
    short = {"key": key, "scale": scale}
    reading = replace(reading, **{k: v for k, v in short.items() if v is not None})
    return read_examples(source, n, offset, size=size, gray=gray, reading=reading).X


def read_examples(
    source: Source,
    n: int | None = None,
    offset: int = 0,
    *,
    size: int | None = None,
    gray: bool = False,
    reading: Reading = AS_IT_IS,
) -> Examples:
    """Loads examples as `load_data` does, and says by which rule and from where they were taken.

    Raises:
        MnemoscopeError: as `load_data`.
    """
    if size is not None:
        size = whole_number("size", size, least=1, most=LARGEST)
    selection = Selection(
        None if n is None else whole_number("n", n, least=1),
        whole_number("offset", offset, least=0),
        size,
    )
    if isinstance(source, Tensor | np.ndarray) or is_dataset(source):
        told = f"a {type(source).__name__}"
        if isinstance(source, Tensor | np.ndarray):
            reading.refuse_unused(told, "alpha")
            found = Found(*taken(source, selection, told))
        else:
            reading.refuse_unused(told, "column", "alpha")
            found = dataset_examples(source, selection, reading)
        examples = _examples(_as_asked(found, size, gray), told, selection, reading)
    elif isinstance(source, str | os.PathLike) and isinstance(os.fspath(source), str):
        told = str(source)
        examples = _named(source, selection, gray, reading)
    else:
        raise MnemoscopeError(
            f"a source of type {type(source).__name__}",
            expected=f"{KNOWN}, a tensor, an array, a Dataset or a DataLoader",
            todo="turn examples into one array with numpy.stack or torch.stack",
        )
    X = shaped(examples.X, size, gray, told)
    if not (_is_read(source) and _fills_its_memory(X)):
        X = X.clone(memory_format=torch.contiguous_format)
    return replace(examples, X=X)


def _is_read(source: Source) -> bool:
    """Whether examples come from a file, so that nobody else has their memory."""
    return (
        isinstance(source, str | os.PathLike)
        and source not in BUNDLED
        and not str(source).startswith("hf:")
    )


def _fills_its_memory(X: Tensor) -> bool:
    return X.is_contiguous() and X.untyped_storage().nbytes() == X.nbytes


def _as_asked(found: Found, size: int | None, gray: bool) -> Found:
    """What was found; arrays that are to be resized or turned grey are pictures."""
    pictures = (size is not None or gray) and len(found.array.shape) in (3, 4)
    return replace(found, pictures=True) if pictures else found


def _examples(found: Found, told: str, selection: Selection, reading: Reading) -> Examples:
    """What was found as examples; decoded pictures are ready."""
    if not found.scaled:
        return array_examples(found, told, reading, first=selection.offset)
    taken_from = {"key": found.key, "column": found.column, "split": found.split}
    return decoded_examples(as_tensor(found.array), reading, **taken_from)


def _named(
    source: str | os.PathLike[str], selection: Selection, gray: bool, reading: Reading
) -> Examples:
    if source in BUNDLED:
        reading.refuse_unused(str(source))
        rule = reading.scale or ("divide" if source == "photos" else None)
        X = from_range(_bundled(str(source), selection, reading), reading)
        return Examples(X, rule)
    if isinstance(source, str) and source.startswith("hf:"):
        return hugging_face_examples(source, selection, reading)
    if not os.fspath(source).strip():
        raise MnemoscopeError("an empty source", expected=KNOWN, todo="name one of these")
    return _from_path(Path(source), selection, gray, reading)


def _bundled(name: str, selection: Selection, reading: Reading) -> Tensor:
    """The bundled pictures, in [0, 1] or, where integers keep their numbers, in their levels."""
    keep, size = reading.rule == "keep", selection.size
    if name == "digits":
        X = digits()
        X = X[selection.rows(len(X), name)]
        return X * DIGIT_LEVELS if keep else X
    size = 32 if size is None else size
    end = selection.offset + FEW if selection.end is None else selection.end
    X = photos(end, size)
    X = X[selection.rows(len(X), f"photos of size {size}")]
    return X * 255 if keep else X


def _from_path(path: Path, selection: Selection, gray: bool, reading: Reading) -> Examples:
    path = _existing(path)
    if path.is_dir():
        return _from_folder(path, selection, gray, reading)
    if is_picture_file(path) and path.is_file():
        reading.refuse_unused(str(path))
        keep = reading.rule == "keep"
        X = picture_files([path], str(path), selection, selection.size, keep=keep)
        return decoded_examples(X, reading)
    if path.suffix.lower() in PICKLES or not path.is_file():
        raise MnemoscopeError(
            f"{path}, a {path.suffix.lower() or 'nameless'} file",
            expected=KNOWN,
            todo="a pickle is never read: save its array with numpy.save"
            if path.suffix.lower() in PICKLES
            else "put pictures into a folder, or save arrays with numpy.save",
        )
    found = _as_asked(read_file(path, reading, selection), selection.size, gray)
    return _examples(found, str(path), selection, reading)


def _from_folder(folder: Path, selection: Selection, gray: bool, reading: Reading) -> Examples:
    """The pictures in a folder, or the examples in files that hold a part each."""
    if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
        raise MnemoscopeError(
            f"{folder}, a Hugging Face dataset",
            expected=KNOWN,
            todo=f"load hf:{folder}",
        )
    pictures = files_in(folder, is_picture_file)
    if not pictures and (parts := files_in(folder, is_part)):
        found = read_parts(parts, folder, selection, reading)
        return _examples(_as_asked(found, selection.size, gray), str(folder), selection, reading)
    reading.refuse_unused(str(folder), "split")
    X, split = folder_pictures(pictures, folder, selection, reading)
    return decoded_examples(X, reading, split=split)


def _existing(path: Path) -> Path:
    """The path of something that is there."""
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
    return path


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
