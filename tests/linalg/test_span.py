import pytest
import torch

import mnemoscope as mn
from mnemoscope.linalg import span_basis


def test_distance_to_a_plane_solved_by_hand():
    X = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    Z = torch.tensor([[3.0, -2.0, 0.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]])
    distance = mn.distance_to_span(Z, X)
    # Only the third entry is outside; RMS over three entries.
    assert torch.allclose(distance, torch.tensor([0.0, 3.0, 1.0]) / 3**0.5, atol=1e-7)


def test_repeated_examples_add_nothing():
    X = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert span_basis(torch.cat([X, X, 2 * X])).shape == (2, 16)


def test_basis_is_orthonormal_and_spans():
    X = torch.rand(5, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    B = span_basis(X)
    assert torch.allclose(B @ B.T, torch.eye(5, dtype=torch.float64), atol=1e-12)
    assert mn.distance_to_span(X, X).max() < 1e-14


def test_shapes_that_differ_are_refused():
    with pytest.raises(mn.MnemoscopeError, match="one shape"):
        mn.distance_to_span(torch.zeros(1, 3), torch.zeros(1, 4))
