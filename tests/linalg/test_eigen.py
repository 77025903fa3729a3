"""Eigenvalues of many small matrices, whatever the number of threads."""

import pytest
import torch

from mnemoscope.linalg.eigen import eigenpairs, eigenvalues
from tests.known_maps import DTYPES


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [0, 1, 7, 8, 20])
@pytest.mark.usefixtures("threads")
def test_they_are_those_of_each_matrix_in_its_place(n, dtype):
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(n, 6, 6, generator=generator, dtype=dtype)
    values, (same, vectors) = eigenvalues(A), eigenpairs(A)
    assert values.shape == same.shape == (n, 6)
    # A matrix of condition about 100: that many roundings.
    eps = 1000 * torch.finfo(dtype).eps
    assert torch.allclose(A.to(values.dtype) @ vectors, vectors * same[:, None, :], atol=eps)
    assert torch.allclose(values.real.sum(1), A.diagonal(dim1=1, dim2=2).sum(1), atol=eps)
    assert torch.allclose(same.real.sum(1), A.diagonal(dim1=1, dim2=2).sum(1), atol=eps)
