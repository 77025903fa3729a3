"""NumPy's `.npy`: one array."""

from pathlib import Path

import numpy as np

from mnemoscope.data.readers.reader import Found, Reader, taken
from mnemoscope.data.reading import Reading, Selection

MAGIC = b"\x93NUMPY"


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the array; of a large file only the rows that are asked for."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("it is not a NumPy file")
        file.seek(0)
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        plain = read_header is not None and not read_header(file)[2].hasobject
        file.seek(0)
        if selection.n is None or not plain:
            array = np.lib.format.read_array(file, allow_pickle=False)
        else:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    return taken(array, selection, str(path))


READER = Reader(
    name="NumPy file (.npy)",
    suffixes=(".npy",),
    read=read,
    begins=lambda head: head.startswith(MAGIC),
)
