"""NumPy's `.npz`: arrays by name, as Keras, MedMNIST and `numpy.savez` write them."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mnemoscope.data.choosing import Entry, chosen_key
from mnemoscope.data.readers.reader import Found, Reader, taken
from mnemoscope.data.reading import Reading, Selection


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the array that is meant; the others stay unread."""
    # NumPy takes any other file for a pickle, and would report one.
    if not zipfile.is_zipfile(path):
        raise ValueError("it is no .npz archive, or cut off")
    with zipfile.ZipFile(path) as members:
        names = members.namelist()
        if not all(name.endswith(".npy") for name in names):
            raise ValueError("it is an archive of something else than arrays")
        entries = {name.removesuffix(".npy"): _entry(members, name) for name in names}
    chosen = chosen_key(entries, str(path), reading)
    with np.load(path, allow_pickle=False) as archive:
        return taken(archive[chosen.key], selection, str(path), **chosen.record)


def _entry(members: zipfile.ZipFile, name: str) -> Entry:
    """Reads the header of an array."""
    header: Any = np.lib.format
    try:
        with members.open(name) as file:
            version = header.read_magic(file)
            read_header = {
                (1, 0): header.read_array_header_1_0,
                (2, 0): header.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(file)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile):
        return Entry(None)  # Reading it will raise the error.
    return Entry(shape, dtype.kind in "biuf")


READER = Reader(
    name="NumPy archive (.npz)",
    suffixes=(".npz",),
    read=read,
    begins=lambda head: head.startswith(b"PK") and b".npy" in head,
    uses=("key", "split"),
)
