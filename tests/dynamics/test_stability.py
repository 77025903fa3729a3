import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.stability import stability


@pytest.mark.parametrize(
    ("factor", "attracts"),
    # The last is 1 but for rounding: a state that merely does not move away.
    [(0.5, True), (-0.99, True), (1.0, False), (2.0, False), (1 - 1e-6, False)],
)
def test_below_one_by_more_than_rounding_it_attracts(factor, attracts):
    f = mn.SelfMap(lambda z: factor * z, shape=(4,))
    radius, found = stability(f, torch.zeros(2, 4))
    assert radius.tolist() == pytest.approx([abs(factor)] * 2, rel=1e-5)
    assert found.tolist() == [attracts] * 2


def linear(A):
    A = A.double()
    return mn.SelfMap(lambda z: z @ A.T, (len(A),), dtype=torch.float64)


@pytest.mark.parametrize("size", [30, 120])
@pytest.mark.parametrize(
    ("diagonal", "coupling", "attracts"),
    # Rounding moves the eigenvalues of all but the third across the unit circle or near it.
    [(0.0, 1.5, True), (0.95, 1.0, True), (1.01, 1.0, False), (-0.9, 3.0, True)],
)
def test_far_from_normal_the_bound_decides(size, diagonal, coupling, attracts):
    A = torch.diag(torch.full((size,), diagonal)) + torch.diag(torch.full((size - 1,), coupling), 1)
    radius, found = stability(linear(A), torch.zeros(2, size))
    assert radius.tolist() == pytest.approx([abs(diagonal)] * 2, rel=1e-6, abs=1e-12)
    assert found.tolist() == [attracts] * 2


def test_a_rotation_attracts_nothing():
    Q = torch.linalg.qr(torch.randn(90, 90, generator=torch.Generator().manual_seed(0)).double()).Q
    _, found = stability(linear(Q), torch.zeros(1, 90))
    assert found.tolist() == [False]


def test_no_points_are_no_attractors():
    for size in (5, 200):
        radius, found = stability(mn.SelfMap(lambda z: z / 2, (size,)), torch.zeros(0, size))
        assert radius.shape == found.shape == (0,)
