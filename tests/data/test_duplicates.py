"""Equal examples are found, each with the first that equals it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.data import duplicates


def test_each_later_one_comes_with_the_first():
    X = torch.tensor([[0.0, 1], [2, 3], [0, 1], [4, 5], [2, 3], [0, 1]])
    assert duplicates(X) == [(0, 2), (1, 4), (0, 5)]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_as_a_comparison_of_all_pairs_finds_them(values: list[int]):
    X = torch.tensor(values, dtype=torch.float32)[:, None, None].expand(-1, 2, 3)
    first = [values.index(value) for value in values]
    assert duplicates(X) == [(f, i) for i, f in enumerate(first) if f != i]


def test_pictures_of_different_order_differ():
    assert duplicates(torch.eye(3).reshape(3, 1, 1, 3)) == []


def test_a_difference_in_the_last_place_counts(dtype: torch.dtype):
    one = torch.ones(1, dtype=dtype)
    assert duplicates(torch.stack([one, one.nextafter(one + 1), one])) == [(0, 2)]


def test_both_zeros_are_one():
    assert duplicates(torch.tensor([[0.0], [-0.0]])) == [(0, 1)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.uint8])
def test_any_dtype(dtype: torch.dtype):
    assert duplicates(torch.tensor([[1], [2], [1]]).to(dtype)) == [(0, 2)]
