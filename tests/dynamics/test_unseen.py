"""Good and Turing's share and Chao's numbers, by hand and in simulations."""

import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.unseen import chao, chao_total


@pytest.mark.parametrize(
    ("labels", "share"),
    [
        ([0, 0, 1, 1], 0.0),
        ([0, 1, 2, 2], 0.5),
        ([0, 0, 0, 1, -1, -1], 0.25),
        ([-1, -1], 1.0),
        ([], 1.0),
    ],
)
def test_share_of_starts_by_hand(labels, share):
    assert mn.good_turing(torch.tensor(labels, dtype=torch.int64)) == share


def test_it_estimates_the_unseen_mass():
    # 200 equally likely attractors, 100 starts: (1 - 1/200)^100 = 0.61 of the mass is unseen.
    generator = torch.Generator().manual_seed(0)
    estimates = [
        mn.good_turing(torch.randint(200, (100,), generator=generator)) for _ in range(200)
    ]
    # The mean of 200 estimates, each with a standard deviation below 0.06.
    assert sum(estimates) / 200 == pytest.approx((1 - 1 / 200) ** 99, abs=0.015)


def test_kinds_not_seen_by_hand():
    assert chao(torch.tensor([5, 1, 1, 1, 1, 2, 2])) == 4 * 3 / (2 * 3)
    assert chao(torch.tensor([1, 1, 1, 2, 2, 7])) == 1
    assert chao(torch.tensor([5, 3])) == 0
    assert chao(torch.tensor([], dtype=torch.int64)) == 0


def test_it_estimates_how_many_kinds_of_a_hundred_were_not_drawn():
    generator = torch.Generator().manual_seed(0)
    estimated, true = [], []
    for _ in range(200):
        counts = torch.randint(100, (150,), generator=generator).bincount(minlength=100)
        estimated.append(chao(counts[counts > 0]))
        true.append(int((counts == 0).sum()))
    # Of equally likely kinds it is right in expectation; the mean of 200 varies by about 0.5.
    assert sum(estimated) / 200 == pytest.approx(sum(true) / 200, abs=2)


def test_all_kinds_by_hand():
    """S = 5, f1 = 3, f2 = 1: f0 = 1.5, variance 1.5 + 75/16 + 36/64 = 6.75, log(1 + 3) = 1.3863."""
    total, low, high = chao_total(torch.tensor([9, 1, 1, 1, 2]))
    K = math.exp(1.959963984540054 * math.sqrt(math.log(4)))
    assert (total, low, high) == pytest.approx((6.5, 5 + 1.5 / K, 5 + 1.5 * K))


def test_without_any_seen_twice():
    """S = 3, f1 = 3: f0 = 3, variance 3 + 3 * 25 / 4 - 81 / 24 = 18.375."""
    total, low, high = chao_total(torch.tensor([1, 1, 1]))
    K = math.exp(1.959963984540054 * math.sqrt(math.log1p(18.375 / 9)))
    assert (total, low, high) == pytest.approx((6, 3 + 3 / K, 3 + 3 * K))


def test_none_missing_and_none_seen():
    total, low, high = chao_total(torch.tensor([50, 60]))
    assert (total, low) == (2, 2)
    assert high == pytest.approx(2, abs=1e-6)
    total, low, high = chao_total(torch.tensor([3, 2]))
    assert (total, low) == (2, 2)
    assert 2 < high < 4
    assert chao_total(torch.tensor([], dtype=torch.int64)) == (0, 0, math.inf)


def test_the_interval_holds_the_truth_where_kinds_are_equally_common():
    """50 kinds, 60 samples, 400 times: at least 90% of intervals of nominally 95%."""
    generator = torch.Generator().manual_seed(0)
    hits, totals = 0, []
    for _ in range(400):
        drawn = torch.randint(50, (60,), generator=generator)
        total, low, high = chao_total(drawn.unique(return_counts=True)[1])
        hits += low <= 50 <= high
        totals.append(total)
    assert hits >= 360
    assert sum(totals) / 400 == pytest.approx(50, rel=0.1)
