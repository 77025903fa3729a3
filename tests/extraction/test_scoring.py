"""Precision and recall at each rank; what counts as found, as a duplicate, as nothing."""

import pytest
import torch

from mnemoscope.base.stats import wilson
from mnemoscope.extraction.scoring import average_precision, score_table

X = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def scored(rows, X=X, tol=1e-2):
    return score_table(torch.tensor(rows), X, tol)


def test_by_hand():
    table = scored([[1.0, 0.0], [5.0, 5.0], [0.0, 0.009], [0.0, 0.0], [0.0, 1.0]])
    assert table["match"].to_list() == ["found", "none", "found", "duplicate", "found"]
    assert table["example"].to_list()[::2] == [1, 0, 2]
    assert table["found"].to_list() == [1, 1, 2, 2, 3]
    assert table["precision"].to_list() == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4, 3 / 5])
    assert table["recall"].to_list() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
    assert table["distance"][2] == pytest.approx(0.009 / 2**0.5, rel=1e-4)
    assert average_precision(table) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_rates_have_their_intervals():
    table = scored([[1.0, 0.0], [5.0, 5.0], [0.0, 0.0]])
    for rank, (hits, found) in enumerate([(1, 1), (1, 1), (2, 2)]):
        row = table.row(rank, named=True)
        for name, count, total in (("precision", hits, rank + 1), ("recall", found, 3)):
            low, high = wilson(count, total)
            assert row[f"{name}_low"] == pytest.approx(float(low))
            assert row[f"{name}_high"] == pytest.approx(float(high))


def test_exact_duplicates_are_one_example():
    table = scored([[0.0, 0.0], [0.0, 0.0]], torch.zeros(2, 2))
    assert table["found"].to_list() == [1, 1]
    assert table["match"].to_list() == ["found", "duplicate"]
    assert table["recall"].to_list() == [1, 1]


def test_a_candidate_is_held_against_the_example_that_it_finds():
    """The nearest one was disclosed before; a second lies within the tolerance too."""
    examples = torch.tensor([[0.0], [0.03]])
    table = score_table(torch.tensor([[-0.015], [0.012]]), examples, 0.02, unit=1.0)
    # Neither lies within a quarter of 0.03 of an example.
    assert table["match"].to_list() == ["near", "near"]
    assert table["found"].to_list() == [0, 0]
    assert table["disclosed"].to_list() == [1, 2]
    assert table["example"].to_list() == [0, 1]
    assert table["distance"].to_list() == pytest.approx([0.015, 0.018], rel=1e-4)


def test_one_candidate_finds_one_of_many_near_duplicates():
    still, change = torch.rand(2, 16, generator=torch.Generator().manual_seed(0))
    frames = still + 0.003 * torch.arange(10)[:, None] * change
    # By how much frames differ, as a share of the unit: those within 0.01 are disclosed.
    step = 0.003 * float(change.square().mean().sqrt()) / float(frames.max() - frames.min())
    table = score_table(frames[5:6], frames, 0.01)
    assert table["found"].to_list() == [1]
    assert table["example"].to_list() == [5]
    assert table["disclosed"].to_list() == [sum(abs(i - 5) * step <= 0.01 for i in range(10))]


@pytest.mark.parametrize("factor", [1e-3, 2048.0])
def test_scale_changes_no_match(factor):
    examples = torch.rand(20, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    candidates = torch.cat([examples[:7] + 0.002, examples[5:9] + 0.02])
    plain, scaled = (score_table(c * candidates, c * examples, 0.01) for c in (1.0, factor))
    assert plain["match"].to_list() == scaled["match"].to_list()
    assert scaled["distance"].to_list() == pytest.approx(plain["distance"].to_list(), rel=1e-9)


def test_many_candidates_are_scored_in_parts():
    generator = torch.Generator().manual_seed(0)
    examples = torch.rand(150, 8, generator=generator)
    order = torch.randperm(150, generator=generator)
    table = score_table(torch.cat([examples[order], examples]), examples, 1e-3)
    assert table["match"].to_list() == ["found"] * 150 + ["duplicate"] * 150
    assert table["example"].to_list()[:150] == order.tolist()


def test_without_candidates_or_matches():
    assert score_table(torch.empty(0, 2), X, 1e-2).height == 0
    table = scored([[9.0, 9.0]])
    assert table["match"].to_list() == ["none"]
    assert average_precision(table) != average_precision(table)
