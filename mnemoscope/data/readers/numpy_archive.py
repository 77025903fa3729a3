"""NumPy's `.npz`: arrays by name, as Keras, MedMNIST and `numpy.savez` write them."""

import zipfile
from pathlib import Path

import numpy as np

from mnemoscope.data.choosing import Entry, chosen_key
from mnemoscope.data.readers.numpy_array import read_header
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection


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
    try:
        with members.open(name) as file:
            header = read_header(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        header = None
    # Where there is none, reading the array will raise the error.
    return Entry(None) if header is None else Entry(header[0], header[1].kind in "biuf")


READER = Reader(
    name="NumPy archive (.npz)",
    suffixes=(".npz",),
    read=read,
    begins=lambda head: head.startswith(b"PK") and b".npy" in head,
    uses=("key", "split"),
)
