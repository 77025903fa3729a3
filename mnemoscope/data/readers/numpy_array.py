"""NumPy's `.npy`: one array."""

from pathlib import Path
from typing import IO

import numpy as np

from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

MAGIC = b"\x93NUMPY"


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the array; of a large file only the rows that are asked for."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("it is not a NumPy file")
        file.seek(0)
        header = read_header(file)
        file.seek(0)
        if selection.n is None or header is None or header[1].hasobject:
            array = np.lib.format.read_array(file, allow_pickle=False)
        else:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    return taken(array, selection, str(path))


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype] | None:
    """Reads the shape and the dtype of the array that follows; None of an unknown version."""
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(np.lib.format.read_magic(file))
    if read is None:
        return None
    shape, _, dtype = read(file)
    return shape, dtype


READER = Reader(
    name="NumPy file (.npy)",
    suffixes=(".npy",),
    read=read,
    begins=lambda head: head.startswith(MAGIC),
)
