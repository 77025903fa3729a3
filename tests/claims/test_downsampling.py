"""With strides and without, side by side: the claim as it is run."""

import polars as pl
import pytest

from mnemoscope.claims import downsampling


@pytest.fixture
def result(quick):
    return quick("downsampling")


def test_every_network_with_strides_stands_beside_one_without(result):
    runs = result.runs
    assert runs.height == 4
    assert set(runs["strides"]) == {3}
    for activation in ("identity", "leaky_relu"):
        own = runs.filter(pl.col("activation") == activation)
        assert own["downsample"].to_list() == [3, 0]
        assert own["depth"].n_unique() == own["n"].n_unique() == 1


def test_spectra_are_reported_of_linear_networks_and_ends_of_the_others(result):
    linear, orbits = (
        result.runs.filter(keep)
        for keep in (pl.col("activation") == "identity", pl.col("activation") != "identity")
    )
    assert (linear["moduli"].list.len() == downsampling.LEADING).all()
    assert linear["starts"].null_count() == linear.height
    assert orbits["stores"].null_count() == orbits.height


def test_a_network_stores_only_if_its_examples_lead(result):
    linear = result.runs.filter(pl.col("activation") == "identity", "interpolated")
    for row in linear.iter_rows(named=True):
        leads = all(abs(m - 1) < 1e-3 for m in row["moduli"][: row["n"]])
        assert row["stores"] == (leads and row["next_modulus"] < 1 and row["angle"] < 1e-3)


def test_its_checks_are_of_strides_none_and_orbits(result):
    checks = result.checks
    assert [check.predicted for check in checks] == [1, 0, 1]
    assert [check.runs for check in checks] == [1, 1, 1]
