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

FEWEST = 8
"""Fewer matrices than this are not worth a thread."""

Result = TypeVar("Result")


def eigenvalues(A: Float[Tensor, "n d d"]) -> Complex[Tensor, "n d"]:
    """The eigenvalues of each matrix, in no particular order."""
    return torch.cat(_in_threads(torch.linalg.eigvals, A))


def eigenpairs(
    A: Float[Tensor, "n d d"],
) -> tuple[Complex[Tensor, "n d"], Complex[Tensor, "n d d"]]:
    """The eigenvalues of each matrix and its eigenvectors, as columns."""
    values, vectors = zip(*_in_threads(torch.linalg.eig, A), strict=True)
    return torch.cat(values), torch.cat(vectors)


def _in_threads(solve: Callable[[Tensor], Result], A: Tensor) -> list[Result]:
    threads = torch.get_num_threads()
    if A.device.type != "cpu" or threads == 1 or len(A) < FEWEST:
        return [solve(A)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(solve, A.chunk(threads)))
