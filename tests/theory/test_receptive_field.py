"""Which entries of a linear convolutional operator may be nonzero."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory import (
    heuristic_memorizing_depth,
    minimum_memorizing_depth,
    receptive_field_mask,
)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_network_reaches_exactly_so_far(depth, channels):
    spec = mn.nets.Convolutional(
        shape=(1, 5, 5), channels=channels, depth=depth, activation="identity", bias=False
    )
    net = spec.build(seed=0, dtype=torch.float64)
    J = mn.SelfMap(net).linearize(torch.zeros(1, 1, 5, 5, dtype=torch.float64)).dense()[0]
    # Some algorithms for convolutions leave roundings where nothing is reached.
    assert torch.equal(J.abs() > 1e-12, receptive_field_mask(5, depth))


def test_a_larger_kernel_reaches_as_far_as_more_layers():
    assert torch.equal(receptive_field_mask(7, 1, kernel_size=5), receptive_field_mask(7, 2))


@pytest.mark.parametrize(
    ("size", "kernel_size", "depth"), [(2, 3, 1), (5, 3, 4), (7, 5, 3), (8, 5, 4)]
)
def test_the_minimum_depth_is_the_first_without_zeros(size, kernel_size, depth):
    assert minimum_memorizing_depth(size, kernel_size) == depth
    assert bool(receptive_field_mask(size, depth, kernel_size).all())
    if depth > 1:
        assert not bool(receptive_field_mask(size, depth - 1, kernel_size).all())


def test_the_heuristic_counts_weights():
    # 16 channels, 8 × 8: 144 first, 144 last, 2,304 in each layer between; 4,096 entries.
    assert heuristic_memorizing_depth(8, channels=16) == max(4, minimum_memorizing_depth(8))
    assert heuristic_memorizing_depth(4, channels=1) == 29


@pytest.mark.parametrize("numbers", [{"size": 0}, {"depth": 0}, {"kernel_size": 2}])
def test_sizes_out_of_range_are_refused(numbers):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        receptive_field_mask(**{"size": 4, "depth": 2, "kernel_size": 3, **numbers})
    assert [refusal.value.field] == list(numbers)


def test_a_kernel_of_one_pixel_connects_nothing():
    with pytest.raises(mn.MnemoscopeError) as refusal:
        minimum_memorizing_depth(4, kernel_size=1)
    assert refusal.value.field == "kernel_size"
