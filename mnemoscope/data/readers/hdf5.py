"""HDF5: datasets by path, dense or sparse (`.h5`, and AnnData's `.h5ad`).

A sparse matrix, as AnnData and SciPy store it, is `data`, `indices` and `indptr`: row `i` of a CSR
matrix has the entries `data[a:b]` in the columns `indices[a:b]`, for `a, b = indptr[i : i + 2]`.
Its rows are made dense as they are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import needed_for
from mnemoscope.base.memory import free_memory
from mnemoscope.data.arrays import integer_rule
from mnemoscope.data.choosing import Entry, chosen_key
from mnemoscope.data.readers.reader import Reader, taken
from mnemoscope.data.reading import Found, Reading, Selection

MAGIC = b"\x89HDF\r\n\x1a\n"

PARTS = ("data", "indices", "indptr")


@dataclass(frozen=True)
class SparseMatrix:
    """A matrix in a group of an HDF5 file.

    Attributes:
        group: The group.
        kind: `csr` or `csc`.
        shape: Rows and columns.
    """

    group: Any
    kind: str
    shape: tuple[int, int]

    @property
    def dtype(self) -> np.dtype:
        """The type of its entries."""
        return self.group["data"].dtype

    @property
    def real(self) -> bool:
        """Whether its entries are real numbers."""
        return self.dtype.kind in "biuf"

    def rows(self, part: slice) -> np.ndarray:
        """Returns rows as a dense array."""
        import scipy.sparse

        start, stop, _ = part.indices(self.shape[0])
        needed = (stop - start) * self.shape[1] * self.dtype.itemsize
        if needed > free_memory():
            raise MnemoscopeError(
                f"{stop - start:,} rows of a sparse matrix of {self.shape[1]:,} columns, "
                f"{needed:,} bytes as dense numbers",
                expected="rows that fit into memory",
                todo="ask for fewer, with n and offset",
            )
        if self.kind == "csr":
            indptr = self.group["indptr"][start : stop + 1].astype(np.int64)
            first, last = int(indptr[0]), int(indptr[-1])
            data, indices = self.group["data"][first:last], self.group["indices"][first:last]
            shape = (stop - start, self.shape[1])
            return scipy.sparse.csr_matrix((data, indices, indptr - first), shape=shape).toarray()
        data, indices, indptr = (self.group[name][:] for name in PARTS)
        return scipy.sparse.csc_matrix((data, indices, indptr), shape=self.shape)[part].toarray()


def read(path: Path, reading: Reading, selection: Selection) -> Found:
    """Reads the dataset that is meant, and of it only the rows that are asked for."""
    h5py = needed_for(str(path), "h5py", extra="hdf5")
    with h5py.File(path, "r") as file:
        found = dict(_matrices(file))
        entries = {name: Entry(tuple(made.shape), _is_real(made)) for name, made in found.items()}
        chosen = chosen_key(entries, str(path), reading)
        matrix = found[chosen.key]
        if isinstance(matrix, SparseMatrix):
            part = selection.rows(matrix.shape[0], str(path))
            # A sparse matrix is no picture: its bytes are counts.
            rule = "keep" if integer_rule(matrix.group["data"][:0]) else None
            return Found(matrix.rows(part), rule, **chosen.record)
        refuse_elsewhere(matrix, f"{path}, {chosen.key}")
        return taken(matrix, selection, str(path), **chosen.record)


def _matrices(group: Any) -> Iterator[tuple[str, Any]]:
    """Yields datasets and sparse matrices by path; links to other files are not followed."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if name.rpartition("/")[0] in found and name.rpartition("/")[2] in PARTS:
            return  # One of the three parts of a sparse matrix.
        if isinstance(item, h5py.Dataset):
            found[name] = item
        elif (matrix := _sparse_matrix(item)) is not None:
            found[name] = matrix

    group.visititems(visit)
    yield from found.items()


def refuse_elsewhere(dataset: Any, origin: str) -> None:
    """Refuses a dataset whose numbers lie in other files."""
    if dataset.is_virtual or dataset.external:
        raise MnemoscopeError(
            f"{origin}, whose numbers are in other files",
            expected="a file that holds its numbers itself",
            todo="copy it with h5repack, or name the other file",
        )


def _sparse_matrix(group: Any) -> SparseMatrix | None:
    import h5py

    if not all(isinstance(group.get(name), h5py.Dataset) for name in PARTS):
        return None
    kind = str(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", "")))
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    if shape is None or kind[:3] not in ("csr", "csc") or len(shape) != 2:
        return None
    return SparseMatrix(group, kind[:3], (int(shape[0]), int(shape[1])))


def _is_real(made: Any) -> bool:
    return made.real if isinstance(made, SparseMatrix) else made.dtype.kind in "biuf"


READER = Reader(
    name="HDF5 file",
    suffixes=(".h5", ".hdf5", ".h5ad", ".he5", ".hdf"),
    read=read,
    begins=lambda head: head.startswith(MAGIC),
    uses=("key", "split"),
)
