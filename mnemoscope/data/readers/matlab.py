"""MATLAB's `.mat`: arrays and structures by name.

Files of version 7.3 are HDF5 and store arrays with their axes in reverse, since MATLAB counts
columns first. Many sets of pictures have their examples on the last axis, `(height, width,
channels, n)`: they are recognized by a vector of `n` labels.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mnemoscope.base.importing import needed_for
from mnemoscope.data.choosing import Entry, chosen_key
from mnemoscope.data.readers.hdf5 import MAGIC, refuse_elsewhere
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

HEADER = 512
"""Bytes that MATLAB puts before the HDF5 part of a file of version 7.3."""

log = logging.getLogger("mnemoscope")


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the array that is meant."""
    with path.open("rb") as file:
        file.seek(HEADER)
        new = file.read(len(MAGIC)) == MAGIC
    arrays = _arrays_of_hdf5(path) if new else _arrays_of_matlab(path)
    entries = {name: Entry(made.shape, made.dtype.kind in "biuf") for name, made in arrays.items()}
    chosen = chosen_key(entries, str(path), reading)
    array = arrays[chosen.key]
    if _examples_last(array, arrays):
        log.warning(
            "%s: the last of the axes %s of %s is the axis of examples, as in the labels",
            path,
            array.shape,
            chosen.key,
        )
        array = np.moveaxis(array, -1, 0)
    return taken(array, selection, str(path), **chosen.record)


def _examples_last(array: np.ndarray, arrays: dict[str, np.ndarray]) -> bool:
    """Returns whether vectors in the file are as long as the last axis, and none as the first."""
    vectors = {made.size for made in arrays.values() if made.size == max(made.shape, default=0)}
    shape = array.shape
    return len(shape) > 1 and shape[-1] in vectors and shape[0] not in vectors and shape[-1] > 1


def _arrays_of_matlab(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    content = loadmat(path)
    return dict(_arrays({k: v for k, v in content.items() if not k.startswith("__")}))


def _arrays(content: dict[str, Any], above: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yields arrays in variables, and in the fields of structures as `data/X`."""
    for name, made in content.items():
        if not isinstance(made, np.ndarray):
            if hasattr(made, "toarray"):  # A sparse matrix.
                yield above + name, made.toarray()
        elif made.dtype.names is not None and made.size == 1:
            fields = {field: made.flat[0][field] for field in made.dtype.names}
            yield from _arrays(fields, f"{above}{name}/")
        else:
            yield above + name, made


def _arrays_of_hdf5(path: Path) -> dict[str, np.ndarray]:
    h5py = needed_for(str(path), "h5py", extra="hdf5")
    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" and name[0] != "#":
            refuse_elsewhere(item, f"{path}, {name}")
            found[name] = item[()].T

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return found


READER = Reader(
    name="MATLAB file (.mat)",
    suffixes=(".mat",),
    read=read,
    begins=lambda head: head.startswith(b"MATLAB "),
    uses=("key", "split"),
)
