"""Where stacked parameters lie in one flat tensor."""

import pytest
import torch

from mnemoscope.nets.layout import ALIGNMENT, Layout


def parts(replicas, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(replicas, *shape, generator=generator) for shape in [(3, 5), (3,), ()]]


@pytest.mark.parametrize("replicas", [1, 4])
def test_views_of_what_was_joined_are_the_parts(replicas):
    tensors = parts(replicas)
    layout = Layout.of(tensors)
    flat = layout.join(tensors)
    views = layout.views(flat)
    assert all(torch.equal(v, t) for v, t in zip(views, tensors, strict=True))
    assert all(v.is_contiguous() for v in views)
    assert [v.storage_offset() % ALIGNMENT for v in views] == [0, 0, 0]
    # They are the flat tensor itself: what is written to one is seen in the other.
    views[1].fill_(7)
    assert int((flat == 7).sum()) == 3 * replicas


def test_gaps_hold_zeros():
    tensors = [torch.ones_like(t) for t in parts(2)]
    assert float(Layout.of(tensors).join(tensors).sum()) == 2 * (15 + 3 + 1)


def test_every_entry_of_a_network_gets_its_value():
    tensors = parts(3)
    layout = Layout.of(tensors)
    for view in layout.views(layout.spread(torch.tensor([1.0, 2.0, 3.0]))):
        for row in range(3):
            assert bool((view[row] == row + 1).all())


def test_pieces_are_each_matrix_and_all_vectors_as_one():
    shapes = [(3, 5), (3,), (2, 3), (2,), ()]
    layout = Layout(tuple(shapes), 4)
    flat = torch.arange(layout.size)
    pieces = layout.pieces(flat)
    matrix, vector, other, short, number = layout.views(flat)
    assert [len(piece) for piece in pieces[:2]] == [4 * 15, 4 * 6]
    assert torch.equal(pieces[0], matrix.flatten())
    assert torch.equal(pieces[1], other.flatten())
    for view in (vector, short, number):
        assert bool(torch.isin(view, pieces[2]).all())
    assert sum(map(len, pieces)) <= layout.size
    assert len(pieces) == 3


def test_vectors_alone_are_one_piece():
    layout = Layout(((3,), (2,)), 2)
    assert [len(piece) for piece in layout.pieces(torch.zeros(layout.size))] == [layout.size]
