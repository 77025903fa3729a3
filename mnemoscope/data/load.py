"""`load_data`: examples from any source, as float32."""

import os
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mnemoscope.base.check import whole_number, with_given
from mnemoscope.data.pictures import shaped
from mnemoscope.data.reading import AS_IT_IS, Examples, Reading, Scale, Selection
from mnemoscope.data.sources import find_source
from mnemoscope.data.sources.path import SOURCE as PATH
from mnemoscope.data.sources.source import described

LARGEST = 4096
"""Pixels; a larger size is a mistake."""

Named = str | os.PathLike[str] | Tensor | np.ndarray | Dataset | DataLoader


def load_data(
    source: Named,
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
        A copy: changing it does not change the source.

    Raises:
        MnemoscopeError: the source is missing, empty, cut off, of an unknown kind or a pickle; its
            examples differ in shape; it has NaN or infinity; it has several arrays or columns that
            could be meant; or it has fewer examples than were asked for. Nothing is ever unpickled.
    """
    reading = with_given(reading, key=key, scale=scale)
    return read_examples(source, n, offset, size=size, gray=gray, reading=reading).X


def read_examples(
    source: Named,
    n: int | None = None,
    offset: int = 0,
    *,
    size: int | None = None,
    gray: bool = False,
    reading: Reading = AS_IT_IS,
) -> Examples:
    """Loads examples as `load_data` does, with the rule by which and the place they were taken."""
    selection = Selection(
        None if n is None else whole_number("n", n, least=1),
        whole_number("offset", offset, least=0),
        None if size is None else whole_number("size", size, least=1, most=LARGEST),
        gray,
    )
    found = find_source(source)
    examples = found.read(source, selection, reading)
    X = shaped(examples.X, selection.size, gray, described(source))
    if found.borrowed or not _fills_its_memory(X):
        X = X.clone(memory_format=torch.contiguous_format)
    return replace(examples, X=X)


def is_path(source: object) -> bool:
    """Returns whether a source is a file or a folder, not the name of a data set."""
    return find_source(source) is PATH


def _fills_its_memory(X: Tensor) -> bool:
    return X.is_contiguous() and X.untyped_storage().nbytes() == X.nbytes
