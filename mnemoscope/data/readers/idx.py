"""IDX, the format of MNIST: `train-images-idx3-ubyte`, plain or compressed with gzip.

Two zero bytes, a byte of the type, a byte with the number of axes, each axis as a big-endian
32-bit integer, then the numbers, big-endian (http://yann.lecun.com/exdb/mnist/).
"""

import gzip
import math
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np

from mnemoscope.base.memory import free_memory
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the array."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if packed else open
    with opened(path, "rb") as file:
        array = _array(file)
    return taken(array, selection, str(path), pictures=array.ndim in (3, 4))


def _array(file: IO[bytes]) -> np.ndarray:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not head[3]:
        raise ValueError("it is not an IDX file")
    axes = file.read(4 * head[3])
    if len(axes) < 4 * head[3]:
        raise ValueError("it is cut off")
    # A damaged header can state anything.
    shape = struct.unpack(f">{head[3]}I", axes)
    dtype = np.dtype(TYPES[head[2]])
    size = math.prod(shape) * dtype.itemsize
    if size > free_memory():
        raise ValueError(f"its header states {size:,} bytes, more than the memory that is free")
    content = file.read(size + 1)
    if len(content) != size:
        kind = "cut off" if len(content) < size else "longer than its header says"
        raise ValueError(f"it is {kind}")
    return np.frombuffer(content, dtype).reshape(shape)


def _begins(head: bytes) -> bool:
    if head[:2] == b"\x1f\x8b":
        return False  # A compressed file is recognized by its name alone.
    return head[:2] == b"\0\0" and len(head) > 7 and head[2] in TYPES and 0 < head[3] < 5


KINDS = ("ubyte", "byte", "short", "int", "float", "double")
NAMES = [f"idx{axes}-{kind}" for axes in (1, 2, 3, 4) for kind in KINDS]

READER = Reader(
    name="IDX file",
    suffixes=(".idx", ".idx.gz", *NAMES, *(f"{name}.gz" for name in NAMES)),
    read=read,
    begins=_begins,
)
