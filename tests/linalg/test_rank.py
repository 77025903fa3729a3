import pytest
import torch

import mnemoscope as mn


@pytest.mark.parametrize("r", [1, 3, 7])
def test_r_equal_singular_values_count_r(r):
    A = torch.zeros(10, 8)
    A[:r, :r] = 2 * torch.eye(r)
    rank = mn.effective_rank(A)
    assert rank.participation == pytest.approx(r)
    assert rank.count == r


def test_unequal_singular_values_by_hand():
    # (3 + 1)^2 / (9 + 1)
    rank = mn.effective_rank(torch.diag(torch.tensor([3.0, 1.0])), threshold=0.5)
    assert rank.participation == pytest.approx(1.6)
    assert rank.count == 1
    assert rank.threshold == 0.5


@pytest.mark.parametrize("shape", [(12, 300), (300, 12)])
def test_long_matrices_agree_with_their_singular_values(shape):
    A = torch.randn(12, 300, generator=torch.Generator().manual_seed(0)).double()
    # Half of the directions are used a thousand times less, one not at all.
    A[6:] *= 1e-4
    A[11] = A[0]
    s = torch.linalg.svdvals(A)
    rank = mn.effective_rank(1e200 * A.reshape(shape) if shape[0] == 12 else 1e-200 * A.T)
    assert rank.count == int((s > 1e-3 * s[0]).sum())
    assert rank.participation == pytest.approx(float(s.sum() ** 2 / s.square().sum()), rel=1e-9)


def test_nothing_has_rank_zero():
    assert mn.effective_rank(torch.zeros(3, 2, 2)).participation == 0.0
