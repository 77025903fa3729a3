"""Stable attractors within the range rank first."""

import math

import pytest
import torch

from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.candidates import likelihood


def scores(excess, radius, span, period=None):
    excess, radius = (torch.tensor(values, dtype=torch.float64) for values in (excess, radius))
    period = torch.ones(len(excess), dtype=torch.int64) if period is None else torch.tensor(period)
    return likelihood(excess, radius, period, span, 1e-6)


def test_the_formula():
    score = scores([0.02, 0.0], [0.5, 0.9], Range(0.0, 2.0))
    assert score.tolist() == pytest.approx(
        [-math.log(0.01) + math.log(0.5), -math.log(1e-4) + math.log(0.1)]
    )


def test_a_cycle_is_judged_by_its_rate_for_a_step():
    one, other = scores([0.0, 0.0], [0.5**3, 0.5], Range(), [3, 1]).tolist()
    assert one == pytest.approx(other)


def test_what_leaves_the_range_or_is_less_stable_comes_later():
    score = scores([0.0, 0.01, 0.0], [0.5, 0.5, 0.9], Range())
    assert score.argmax() == 0
    assert score[1] < score[0]
    assert score[2] < score[0]


def test_a_unit_of_the_data_does_not_matter():
    """Scores of everything shift together when data and range are multiplied."""
    one = scores([0.02, 0.3], [0.5, 0.9], Range(0.0, 1.0))
    other = scores([2.0, 30.0], [0.5, 0.9], Range(0.0, 100.0))
    assert torch.allclose(one, other)
