"""Outcomes of orbits, on maps whose attractors are known."""

import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import (
    bred_blocks,
    count_outcomes,
    count_outcomes_from_noise,
    outcomes_of_blocks,
    reached_by,
    reached_own,
)
from mnemoscope.dynamics.starts import BLOCK
from mnemoscope.maps import SelfMap


class TwoWells(nn.Module):
    """Halves the distance to 1 above zero and to -1 below it; beyond 4 it diverges."""

    def forward(self, z):
        halved = 0.5 * z + torch.where(z > 0, 0.5, -0.5)
        return torch.where(z > 4, 2 * z, halved)


X = torch.tensor([[1.0]])
STARTS = torch.tensor([[2.0], [-3.0], [0.5], [9.0], [-0.1], [1.5]])


def test_ends_at_the_example_at_a_spurious_attractor_and_at_none():
    census = mn.find_attractors(TwoWells(), STARTS, X)
    counts = count_outcomes(census)
    assert (counts.starts, counts.at_examples, counts.spurious, counts.not_settled) == (6, 3, 2, 1)
    assert (counts.examples_reached, counts.spurious_attractors, counts.largest_basin) == (1, 1, 3)
    some = count_outcomes(census, slice(3, 5))
    assert (some.starts, some.at_examples, some.spurious, some.not_settled) == (2, 0, 1, 1)
    assert (some.examples_reached, some.largest_basin) == (0, 1)


def test_each_is_held_against_its_own_example():
    X = torch.tensor([[1.0], [-1.0]])
    census = mn.find_attractors(TwoWells(), STARTS, X)
    own = reached_own(census, torch.tensor([0, 0, 0, 0, 1, 1]), X)
    assert own.tolist() == [True, False, True, False, True, False]


def test_without_an_attractor_nothing_ends_anywhere():
    census = mn.find_attractors(TwoWells(), STARTS[3:4], X)
    assert count_outcomes(census).not_settled == 1
    assert count_outcomes(census).largest_basin == 0
    assert reached_own(census, torch.tensor([0]), X).tolist() == [False]


def test_distributions_add_up_and_the_seed_decides(global_generator_untouched):
    kinds = ("uniform", "gaussian")
    total, parts = count_outcomes_from_noise(TwoWells(), X, kinds, 40, 3)
    again, _ = count_outcomes_from_noise(TwoWells(), X, kinds, 40, 3)
    assert total == again
    assert tuple(parts) == kinds
    assert total.starts == 80
    for name in ("starts", "at_examples", "spurious", "not_settled"):
        assert getattr(total, name) == sum(getattr(part, name) for part in parts.values())


F = SelfMap(lambda z: torch.tanh(2 * z), (2,))
STATES = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [2.0, 3.0], [0.0, 0.0], [-1.0, -1.0]])


def test_labels_and_witnesses():
    atlas, outcomes = outcomes_of_blocks(F, Atlas.empty(F), "mine", STATES.split(2))
    assert outcomes.kind == "mine"
    a, b, again, none, c = outcomes.labels.tolist()
    assert (a, none) == (again, -1)
    assert sorted([a, b, c]) == [0, 1, 2]
    assert torch.equal(outcomes.witness[a], STATES[0])
    assert set(outcomes.witness) == {0, 1, 2}
    assert len(atlas) == 3
    assert reached_by([outcomes]).tolist() == [0, 1, 2]
    assert reached_by([]).tolist() == []


def test_starts_from_attractors_come_in_blocks_that_differ():
    sizes, blocks = [], []
    for block in bred_blocks(torch.rand(3, 2), BLOCK + 10, seed=0):
        sizes.append(len(block))
        blocks.append(block)
    assert sizes == [BLOCK, 10]
    assert not torch.equal(blocks[0][:10], blocks[1])
