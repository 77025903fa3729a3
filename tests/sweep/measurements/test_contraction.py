"""Spectral radii and operator norms at the examples, on Jacobians that are known."""

import pytest
import torch

from mnemoscope.sweep.measurements import contraction, operator_norm
from mnemoscope.sweep.measurements.contraction import below_one
from tests.sweep.measurements.groups import affine, contractions, group

X = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])


def test_of_multiples_of_the_identity_both_are_its_factor():
    trained = group(contractions((0.5, 0.0), (-0.25, 0.0), (2.0, 0.0)), X)
    for measurement in (contraction, operator_norm):
        below, median, largest = measurement.take(trained).values()
        assert below == [3, 3, 0]
        assert median == pytest.approx([0.5, 0.25, 2.0])
        assert largest == pytest.approx([0.5, 0.25, 2.0])


def test_of_a_shear_the_norm_is_larger():
    trained = group(affine([[[0.5, 3.0], [0.0, 0.5]]], [[0.0, 0.0]]), X)
    assert contraction.take(trained)["contractive"] == [3]
    assert operator_norm.take(trained)["contractive_in_norm"] == [0]


@pytest.mark.parametrize(
    ("values", "below", "median", "largest"),
    [
        ([0.5, 1.0, 2.0], 1, 1.0, 2.0),
        ([0.2, 0.4], 2, 0.3, 0.4),
        ([0.7], 1, 0.7, 0.7),
    ],
)
def test_a_row_is_reported_by_three_numbers(values, below, median, largest):
    row = below_one(torch.tensor([values], dtype=torch.float64))
    assert row == ([below], [pytest.approx(median)], [pytest.approx(largest)])


def test_what_is_not_a_number_is_neither_below_one_nor_hidden():
    below, median, largest = below_one(torch.tensor([[0.5, torch.nan]]))
    assert below == [1]
    assert median[0] != median[0]
    assert largest[0] != largest[0]
