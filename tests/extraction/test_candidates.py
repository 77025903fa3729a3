"""Candidates: every state of every attractor, each with its properties."""

import pytest
import torch

from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.candidates import distinct, excess, properties, ranked, roughness
from mnemoscope.extraction.search import SearchOptions, search
from tests.extraction.maps import memories, remembering


def searched(f):
    options = SearchOptions(kinds=("uniform", "gaussian"))
    return search(f, options, starts=50, max_starts=600, given=None, span=None, seed=0)


def test_every_state_of_a_cycle_is_a_candidate():
    X = memories(5, 1, 4, 4)
    known = properties(searched(remembering(X, X[[1, 2, 0, 3, 4]])))
    assert len(known) == 5
    assert sorted(known["period"]) == [1, 1, 3, 3, 3]
    cycle = known.filter(kind="cycle")
    assert set(cycle["period"]) == {3}
    # All three have the starts of their cycle.
    assert cycle.n_unique(["attractor", "starts", "kinds_reached"]) == 1


def test_starts_are_counted():
    found = searched(remembering(memories(4, 1, 4, 4)))
    for row in properties(found).iter_rows(named=True):
        own = {kind: int((found.labels([kind]) == row["attractor"]).sum()) for kind in found.kinds}
        assert row["starts"] == sum(own.values())
        assert row["kinds_reached"] == sum(count > 0 for count in own.values())
        assert row["kinds_tried"] == len(own)
        noise = [kind for kind in own if kind != "bred"]
        tried = sum(len(found.labels([kind])) for kind in noise)
        assert row["basin_fraction"] == sum(own[kind] for kind in noise) / tried


def test_the_table_follows_the_order_of_the_states():
    found = searched(remembering(memories(4, 1, 4, 4)))
    states, table = ranked(found, 1e-6)
    assert table["rank"].to_list() == [1, 2, 3, 4]
    assert table["score"].is_sorted(descending=True)
    assert torch.equal(states, found.atlas.states[table["attractor"].to_torch()])


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
