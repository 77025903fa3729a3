"""Sparse matrices in HDF5, as AnnData and SciPy store them: rows are made dense as they are read.

A compressed matrix is `data`, `indices` and `indptr`; row `i` of a CSR matrix has the entries
`data[indptr[i]:indptr[i+1]]` in the columns `indices[indptr[i]:indptr[i+1]]`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.memory import free_memory

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
        """Returns rows as a dense array.

        Raises:
            MnemoscopeError: they do not fit into the memory that is free.
        """
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


def sparse_matrix(group: Any) -> SparseMatrix | None:
    """Returns the matrix that a group holds; None if it holds none."""
    import h5py

    if not all(isinstance(group.get(name), h5py.Dataset) for name in PARTS):
        return None
    told = str(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", "")))
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    if shape is None or told[:3] not in ("csr", "csc") or len(shape) != 2:
        return None
    return SparseMatrix(group, told[:3], (int(shape[0]), int(shape[1])))
