"""The range of the data is estimated from the attractors: a usual one where they fit into it."""

import pytest
import torch

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.search import likely_range


def atlas(rows, radius=None, owner=None, period=None):
    states = torch.tensor(rows)
    owner = torch.arange(len(rows)) if owner is None else torch.tensor(owner)
    m = int(owner.max()) + 1 if len(rows) else 0
    return Atlas(
        states=states,
        owner=owner,
        period=torch.ones(m, dtype=torch.int64) if period is None else torch.tensor(period),
        spectral_radius=torch.full((m,), 0.5) if radius is None else torch.tensor(radius),
        reach=torch.full((m,), 1e-4),
    )


@pytest.mark.parametrize(
    ("ends", "span"),
    [
        ((0.0, 1.0), (0.0, 1.0)),
        ((0.3, 0.5), (0.0, 1.0)),
        ((-0.2, 1.2), (0.0, 1.0)),
        ((-0.9, 0.8), (-1.0, 1.0)),
        ((3.0, 250.0), (0.0, 255.0)),
        ((-30.0, 50.0), (-30.0, 50.0)),
    ],
)
def test_usual_ranges(ends, span):
    assert likely_range(atlas([list(ends)] * 3)) == Range(*span)


def test_no_attractors_leave_the_usual_range():
    empty = torch.empty(0)
    none = torch.empty(0, dtype=torch.int64)
    assert likely_range(Atlas(torch.empty(0, 3), none, none, empty, empty)) == Range(0.0, 1.0)


def test_the_less_stable_half_has_no_say():
    rows = [[0.0, 1.0], [0.0, 1.0], [-9.0, 9.0], [-9.0, 9.0]]
    assert likely_range(atlas(rows, [0.1, 0.2, 0.8, 0.9])) == Range(0.0, 1.0)
    assert likely_range(atlas(rows, [0.9, 0.8, 0.2, 0.1])) == Range(-9.0, 9.0)


def test_of_two_the_inner_ends_are_taken():
    assert likely_range(atlas([[0.0, 9.0], [-9.0, 1.0]] * 2, [0.1, 0.1, 0.9, 0.9])) == Range()


def test_a_cycle_counts_once_and_by_its_rate_for_a_step():
    """Of period 3 and radius 0.5 it loses 0.79 in a step: less stable than the two fixed points."""
    rows = [[0.0, 1.0], [0.0, 1.0], [-9.0, 9.0], [-8.0, 8.0], [-7.0, 7.0]]
    owner, period = [0, 1, 2, 2, 2], [1, 1, 3]
    assert likely_range(atlas(rows, [0.6, 0.7, 0.5], owner, period)) == Range(0.0, 1.0)
