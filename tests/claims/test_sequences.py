"""The claim of the sequences: what it measures, by hand, and its evidence."""

import polars as pl
import pytest
import torch

import mnemoscope as mn
from mnemoscope.claims.sequences import (
    paired_differences,
    sequences_run_through,
    successors,
    upper_end,
)


def test_sequences_of_equal_length():
    assert successors(3, 1).tolist() == [1, 2, 0]
    assert successors(6, 2).tolist() == [1, 2, 0, 4, 5, 3]


def stepping(X, after):
    """The map that takes every state to the one after the example nearest to it."""
    return mn.SelfMap(lambda Z: X[after[torch.cdist(Z, X).argmin(1)]], X.shape[1:])


def test_an_orbit_is_reported_to_run_through_its_sequence():
    X = torch.eye(6)
    after = successors(6, 2)
    f = stepping(X, after)
    assert sequences_run_through(f, X, X, after).tolist() == [0, 0, 0, 3, 3, 3]
    # Too far from any example, though its image is one.
    assert sequences_run_through(f, 1.1 * X[:1], X, after).tolist() == [-1]
    # The same states in another order.
    backwards = after.argsort()
    assert sequences_run_through(f, X, X, backwards).tolist() == [-1] * 6


def test_the_upper_end_of_a_mean():
    assert upper_end([1.0, 2.0, 3.0]) == pytest.approx(2 + 1.959964 / 3**0.5, abs=1e-6)
    assert upper_end([1.0]) != upper_end([1.0])


def test_runs_that_share_an_autoencoder_are_one_pair():
    runs = pl.DataFrame(
        {
            "activation": ["relu"] * 4,
            "n": [10, 10, 10, 5],
            "seed": [0, 0, 1, 0],
            "rate": [1.0, torch.e**2, 1.0, 1.0],
            "alone_rate": [1.0, 1.0, torch.e, 1.0],
            "alone_interpolated": [True, True, True, False],
        }
    )
    assert paired_differences(runs) == pytest.approx([1.0, -1.0])


def test_a_quick_run(quick):
    result = quick("sequences")
    # The networks of the regime; leaky_relu of this size has stored every sequence that was tried.
    runs = result.runs.filter("in_regime", pl.col("activation") == "leaky_relu")
    # Five digits as one sequence, ten as two.
    assert runs["period"].to_list() == [5] * 4
    assert runs["sequences"].to_list() == [1, 1, 2, 2]
    assert runs["interpolated"].all()
    assert runs["stored"].all()
    assert [check.predicted for check in result.checks] == [0.9] * 5 + [0] * 2
