"""Where starts of one kind ended, whatever blocks they come in."""

import torch

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.outcomes import bred_blocks, outcomes_of_blocks, reached_by
from mnemoscope.dynamics.starts import BLOCK
from mnemoscope.maps import SelfMap

F = SelfMap(lambda z: torch.tanh(2 * z), (2,))
Z = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [2.0, 3.0], [0.0, 0.0], [-1.0, -1.0]])


def test_labels_and_witnesses():
    atlas, ended = outcomes_of_blocks(F, Atlas.empty(F), "mine", Z.split(2))
    assert ended.kind == "mine"
    a, b, again, none, c = ended.labels.tolist()
    assert (a, none) == (again, -1)
    assert sorted([a, b, c]) == [0, 1, 2]
    assert torch.equal(ended.witness[a], Z[0])
    assert set(ended.witness) == {0, 1, 2}
    assert len(atlas) == 3
    assert reached_by([ended]).tolist() == [0, 1, 2]
    assert reached_by([]).tolist() == []


def test_bred_starts_come_in_blocks_that_differ():
    sizes, blocks = [], []
    for block in bred_blocks(torch.rand(3, 2), BLOCK + 10, seed=0):
        sizes.append(len(block))
        blocks.append(block)
    assert sizes == [BLOCK, 10]
    assert not torch.equal(blocks[0][:10], blocks[1])
