import pytest
import torch

from mnemoscope.dynamics.chao import chao


def test_by_hand():
    assert chao(torch.tensor([5, 1, 1, 1, 1, 2, 2])) == 4 * 3 / (2 * 3)
    assert chao(torch.tensor([5, 3])) == 0
    assert chao(torch.tensor([], dtype=torch.int64)) == 0


def test_it_tells_how_many_kinds_of_a_hundred_were_not_drawn():
    generator = torch.Generator().manual_seed(0)
    told, true = [], []
    for _ in range(200):
        counts = torch.randint(100, (150,), generator=generator).bincount(minlength=100)
        told.append(chao(counts[counts > 0]))
        true.append(int((counts == 0).sum()))
    # Of equally likely kinds it is right in expectation; the mean of 200 varies by about 0.5.
    assert sum(told) / 200 == pytest.approx(sum(true) / 200, abs=2)
