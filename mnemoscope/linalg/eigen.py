"""Eigenvalues of many small matrices: the batch is split among the threads.

LAPACK works on one matrix after the other, and these are too small for it to use a second core. It
does not hold Python's lock, so threads of Python's do.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from jaxtyping import Complex, Float
from torch import Tensor

MIN_MATRICES = 8
"""Fewer matrices than this are not worth a thread."""

MIN_WORK = 2**20
"""Nor is less work than this, `n d^3`: a thread takes as long to begin."""

Result = TypeVar("Result")


def eigenvalues(A: Float[Tensor, "n d d"]) -> Complex[Tensor, "n d"]:
    """Returns the eigenvalues of each matrix, in no particular order."""
    return torch.cat(in_threads(torch.linalg.eigvals, A))


def eigenpairs(
    A: Float[Tensor, "n d d"],
) -> tuple[Complex[Tensor, "n d"], Complex[Tensor, "n d d"]]:
    """Returns the eigenvalues of each matrix and its eigenvectors, as columns."""
    values, vectors = zip(*in_threads(torch.linalg.eig, A), strict=True)
    return torch.cat(values), torch.cat(vectors)


def in_threads(solve: Callable[..., Result], A: Tensor, *more: Tensor) -> list[Result]:
    """Applies a function to parts of the batch, each in a thread of its own."""
    threads = torch.get_num_threads()
    work = len(A) * A.shape[-1] ** 3
    if A.device.type != "cpu" or threads == 1 or len(A) < MIN_MATRICES or work < MIN_WORK:
        return [solve(A, *more)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(solve, *(part.chunk(threads) for part in (A, *more))))
