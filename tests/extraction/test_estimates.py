"""Good and Turing's share and Chao's number, by kind and for all."""

import math

import pytest
import torch

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.estimates import chao_total, estimates_table
from mnemoscope.extraction.search import Part, Search


def test_by_hand():
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


def test_a_row_for_each_kind_for_noise_and_for_all():
    labels = {"uniform": [0, 0, 1, -1], "pink": [1, 2], "bred": [3, 3, 2], "given": [4]}
    parts = tuple(Part(0, kind, torch.tensor(own), 5, 0.0) for kind, own in labels.items())
    none = torch.empty(0, dtype=torch.int64)
    atlas = Atlas(torch.empty(0, 2), none, none, torch.empty(0), torch.empty(0))
    table = estimates_table(Search(atlas, parts, "nothing new", Range()))
    assert table["pool"].to_list() == [*labels, "noise", "all"]
    rows = {row["pool"]: row for row in table.to_dicts()}
    assert rows["uniform"] | {"total": 0, "low": 0, "high": 0} == {
        "pool": "uniform", "starts": 4, "ended": 3, "found": 2, "once": 1, "twice": 1,
        "unseen": 1 / 3, "total": 0, "low": 0, "high": 0,
    }  # fmt: skip
    assert (rows["noise"]["starts"], rows["noise"]["found"]) == (6, 3)
    # Of all: 0 twice, 1 twice, 2 twice, 3 twice, 4 once.
    assert (rows["all"]["starts"], rows["all"]["once"], rows["all"]["twice"]) == (10, 1, 4)
    assert rows["all"]["unseen"] == pytest.approx(1 / 9)
