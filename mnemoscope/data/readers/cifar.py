"""The binary version of CIFAR-10 and CIFAR-100: labels and 3 × 32 × 32 bytes for each picture.

A record of CIFAR-10 has one byte of label, one of CIFAR-100 two
(https://www.cs.toronto.edu/~kriz/cifar.html).
"""

from pathlib import Path

import numpy as np

from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

SIDES = (3, 32, 32)
PIXELS = 3072
CLASSES = {1: (10,), 2: (20, 100)}
"""How many classes the labels of a record have, by their number."""


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the pictures of a batch."""
    size = path.stat().st_size
    for labels, classes in CLASSES.items():
        record = labels + PIXELS
        if size % record:
            continue
        rows = np.memmap(path, np.uint8, mode="r", shape=(size // record, record))
        if all(int(rows[:, i].max()) < count for i, count in enumerate(classes)):
            pictures = rows[:, labels:].reshape(-1, *SIDES)
            return taken(pictures, selection, str(path), rule="divide")
    raise ValueError("its size or its labels are not those of CIFAR's binary version")


READER = Reader(
    name="file of CIFAR's binary version (.bin)",
    suffixes=(".bin",),
    read=read,
    begins=None,
    parts=True,
)
