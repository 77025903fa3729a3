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
