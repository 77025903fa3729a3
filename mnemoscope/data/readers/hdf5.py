"""HDF5: datasets by path, dense or sparse (`.h5`, and AnnData's `.h5ad`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.data.keys import Entry, chosen_key
from mnemoscope.data.readers.reader import Found, Reader, taken
from mnemoscope.data.readers.sparse import PARTS, SparseMatrix, sparse_matrix
from mnemoscope.data.reading import Reading
from mnemoscope.data.scaling import integer_rule
from mnemoscope.data.selection import Selection

MAGIC = b"\x89HDF\r\n\x1a\n"


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the dataset that is meant, and of it only the rows that are asked for."""
    h5py = needed_for(str(path), "h5py", extra="hdf5")
    with h5py.File(path, "r") as file:
        found = dict(_matrices(file))
        entries = {name: Entry(tuple(made.shape), _is_real(made)) for name, made in found.items()}
        chosen = chosen_key(entries, str(path), reading)
        key = chosen.key if len(entries) > 1 else None
        matrix = found[chosen.key]
        if isinstance(matrix, SparseMatrix):
            part = selection.rows(matrix.shape[0], str(path))
            # A sparse matrix is no picture: its bytes are counts.
            rule = "keep" if integer_rule(matrix.group["data"][:0]) else None
            return Found(matrix.rows(part), rule, key, split=chosen.split)
        refuse_elsewhere(matrix, f"{path}, {chosen.key}")
        rows, rule = taken(matrix, selection, str(path))
        return Found(rows, rule, key, split=chosen.split)


def _matrices(group: Any) -> Iterator[tuple[str, Any]]:
    """The datasets and sparse matrices by path; links to other files are not followed."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if name.rpartition("/")[0] in found and name.rpartition("/")[2] in PARTS:
            return  # One of the three parts of a sparse matrix.
        if isinstance(item, h5py.Dataset):
            found[name] = item
        elif (matrix := sparse_matrix(item)) is not None:
            found[name] = matrix

    group.visititems(visit)
    yield from found.items()


def refuse_elsewhere(dataset: Any, told: str) -> None:
    """Refuses a dataset whose numbers lie in other files.

    Raises:
        MnemoscopeError: it is one.
    """
    if dataset.is_virtual or dataset.external:
        raise MnemoscopeError(
            f"{told}, whose numbers are in other files",
            expected="a file that holds its numbers itself",
            todo="copy it with h5repack, or name the other file",
        )


def _is_real(made: Any) -> bool:
    return made.real if isinstance(made, SparseMatrix) else made.dtype.kind in "biuf"


READER = Reader(
    name="HDF5 file",
    suffixes=(".h5", ".hdf5", ".h5ad", ".he5", ".hdf"),
    read=read,
    begins=lambda head: head.startswith(MAGIC),
    uses=("key", "split"),
)
