"""Stable attractors within the range rank first."""

import math

import pytest
import torch

from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.candidates import Evidence
from mnemoscope.extraction.ranking import likelihood


def known(excess, radius, period=None):
    m = len(excess)
    some = torch.ones(m, dtype=torch.float64)
    return Evidence(
        states=torch.zeros(m, 2),
        attractor=torch.arange(m),
        period=torch.ones(m, dtype=torch.int64) if period is None else torch.tensor(period),
        spectral_radius=torch.tensor(radius, dtype=torch.float64),
        starts=torch.ones(1, m, dtype=torch.int64),
        tried=torch.tensor([m]),
        excess=torch.tensor(excess, dtype=torch.float64),
        contrast=some,
        roughness=some,
    )


def test_the_formula():
    score = likelihood(known([0.02, 0.0], [0.5, 0.9]), Range(0.0, 2.0), 1e-6)
    assert score.tolist() == pytest.approx(
        [-math.log(0.01) + math.log(0.5), -math.log(1e-4) + math.log(0.1)]
    )


def test_a_cycle_is_judged_by_its_rate_for_a_step():
    one, other = likelihood(known([0.0, 0.0], [0.5**3, 0.5], [3, 1]), Range(), 1e-6).tolist()
    assert one == pytest.approx(other)


def test_what_leaves_the_range_or_is_less_stable_comes_later():
    score = likelihood(known([0.0, 0.01, 0.0], [0.5, 0.5, 0.9]), Range(), 1e-6)
    assert score.argmax() == 0
    assert score[1] < score[0]
    assert score[2] < score[0]


def test_a_unit_of_the_data_does_not_matter():
    """Scores of everything shift together when data and range are multiplied."""
    one = likelihood(known([0.02, 0.3], [0.5, 0.9]), Range(0.0, 1.0), 1e-6)
    other = likelihood(known([2.0, 30.0], [0.5, 0.9]), Range(0.0, 100.0), 1e-6)
    assert torch.allclose(one, other)
