"""Candidates: every state of every attractor, each with its properties."""

import pytest
import torch

from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.candidates import distinct, evidence, excess, roughness
from mnemoscope.extraction.search import SearchOptions, search
from tests.extraction.maps import memories, remembering


def searched(f):
    options = SearchOptions(kinds=("uniform", "gaussian"))
    return search(f, options, starts=50, max_starts=600, given=None, span=None, seed=0)


def test_every_state_of_a_cycle_is_a_candidate():
    X = memories(5, 1, 4, 4)
    known = evidence(searched(remembering(X, X[[1, 2, 0, 3, 4]])))
    assert len(known) == 5
    assert sorted(known.period.tolist()) == [1, 1, 3, 3, 3]
    cycle = known.period == 3
    assert len(known.attractor[cycle].unique()) == 1
    # All three have the starts of their cycle.
    assert len(known.starts[:, cycle].unique(dim=1)[0]) == 1


def test_starts_are_counted_by_kind():
    found = searched(remembering(memories(4, 1, 4, 4)))
    known = evidence(found)
    for row, kind in enumerate(found.kinds):
        labels = found.labels([kind])
        assert int(known.tried[row]) == len(labels)
        for column, attractor in enumerate(known.attractor.tolist()):
            assert int(known.starts[row, column]) == int((labels == attractor).sum())


def test_rows_can_be_chosen():
    known = evidence(searched(remembering(memories(4, 1, 4, 4))))
    rows = torch.tensor([2, 0])
    part = known.at(rows)
    assert torch.equal(part.states, known.states[rows])
    assert torch.equal(part.starts, known.starts[:, rows])
    assert torch.equal(part.tried, known.tried)
    assert len(part) == 2


def test_near_copies_are_dropped_the_first_one_stays():
    states = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.005, 0.005], [0.02, 0.02]])
    assert distinct(states, Range()).tolist() == [0, 1, 3]
    assert distinct(states, Range(0.0, 10.0)).tolist() == [0, 1]


def test_excess_is_what_lies_outside():
    inside, outside = torch.tensor([0.0, 1.0, 0.5, 0.2]), torch.tensor([2.0, -1.0, 0.5, 0.5])
    values = excess(torch.stack([inside, outside]), Range(0.0, 1.0))
    assert values.tolist() == pytest.approx([0.0, (2 / 4) ** 0.5])
    assert excess(outside[None], Range(-1.0, 2.0)).tolist() == [0.0]


def test_roughness_is_1_for_white_noise_and_0_for_what_does_not_change():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 1, 16, 16, generator=generator)
    # Of 256 entries each, 480 differences: the mean of 200 pictures is within 1%.
    assert float(roughness(noise).mean()) == pytest.approx(1, abs=0.02)
    assert roughness(torch.ones(1, 3, 4, 4)).tolist() == [0.0]
    ramp = torch.arange(100.0)[None]
    # Differences of 1 over twice the variance (n² - 1) / 12.
    assert float(roughness(ramp)) == pytest.approx(6 / (100**2 - 1))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (3, 1, 1)])
def test_states_without_neighbours_have_none(shape):
    assert roughness(torch.rand(2, *shape)).tolist() == [0.0, 0.0]
