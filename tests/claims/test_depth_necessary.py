"""Too shallow to be the projection: the claim as it is run."""

import polars as pl
import pytest
import torch

from mnemoscope.claims import depth_necessary
from mnemoscope.claims.depth_necessary import least_distance
from mnemoscope.theory import receptive_field_mask


def test_the_least_distance_is_reached_by_the_projection_on_the_pattern():
    x = torch.rand(9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    P = torch.outer(x, x) / x.square().sum()
    mask = receptive_field_mask(3, depth=1)
    assert float((P * mask - P).norm()) == pytest.approx(least_distance(P, mask))
    nearby = (P * mask + 0.01 * mask - P).norm()
    assert float(nearby) > least_distance(P, mask)
    assert least_distance(P, receptive_field_mask(3, depth=2)) == 0


@pytest.fixture
def result(quick):
    return quick("depth-necessary")


def test_it_holds(result):
    assert result.verdict == "holds"
    assert [check.difference for check in result.checks] == [0] * 6
    assert result.note


def test_a_row_for_each_network_with_channels_1_4_and_16(result):
    runs = result.runs
    assert runs.height == 3 * 3 * 2
    assert set(runs["channels"]) == {1, 4, 16}
    assert set(runs["minimum_depth"]) == {3}
    shallow = runs.filter("interpolated", pl.col("depth") < 3)
    # They keep their example, and are far from the projection on it.
    assert shallow["moved"].max() < 1e-3
    assert (shallow["distance"] > shallow["least_distance"]).all()
    assert (shallow["least_distance"] > 0).all()
    assert (runs.filter(pl.col("depth") == 3)["least_distance"] == 0).all()


def test_an_entry_beyond_the_pattern_would_fail_it(result):
    runs = result.runs
    spoiled = runs.with_columns(
        pl.when(pl.col("interpolated") & (pl.col("depth") == 1) & (pl.col("channels") == 4))
        .then(1)
        .otherwise("beyond_pattern")
        .alias("beyond_pattern")
    )
    verdicts = [check.verdict for check in depth_necessary.checks(spoiled)]
    assert verdicts == ["holds", "fails", "holds", "holds", "holds", "holds"]


def test_photographs_from_8_pixels_on_and_noise_below():
    assert depth_necessary.images(8, [0, 1]).shape == (2, 1, 1, 8, 8)
    assert depth_necessary.images(4, [0, 1]).shape == (2, 1, 1, 4, 4)
