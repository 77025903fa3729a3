"""With strides and without, side by side: the claim as it is run."""

import math

import polars as pl
import pytest

from mnemoscope.claims import Scale, downsampling
from mnemoscope.claims.run import run_claim


@pytest.fixture(scope="module")
def result():
    return run_claim("downsampling", Scale("quick", seeds=1))


def test_every_network_with_strides_stands_beside_one_without(result):
    runs = result.evidence.runs
    assert runs.height == 4
    assert set(runs["strides"]) == {3}
    for activation in ("identity", "leaky_relu"):
        own = runs.filter(pl.col("activation") == activation)
        assert own["downsample"].to_list() == [3, 0]
        assert own["depth"].n_unique() == own["n"].n_unique() == 1


def test_spectra_are_told_of_linear_networks_and_ends_of_the_others(result):
    linear, orbits = (
        result.evidence.runs.filter(keep)
        for keep in (pl.col("activation") == "identity", pl.col("activation") != "identity")
    )
    assert (linear["moduli"].list.len() == downsampling.LEADING).all()
    assert linear["starts"].null_count() == linear.height
    counted = orbits.filter("interpolated")
    parts = counted["at_examples"] + counted["spurious"] + counted["not_settled"]
    assert (parts == counted["starts"]).all()
    assert orbits["stores"].null_count() == orbits.height


def test_a_network_stores_only_if_its_examples_lead(result):
    linear = result.evidence.runs.filter(pl.col("activation") == "identity", "interpolated")
    for row in linear.iter_rows(named=True):
        leads = all(abs(m - 1) < 1e-3 for m in row["moduli"][: row["n"]])
        assert row["stores"] == (leads and row["next_modulus"] < 1 and row["angle"] < 1e-3)


def test_its_checks_are_of_strides_none_and_orbits(result):
    checks = result.evidence.checks
    assert [check.predicted for check in checks] == [1, 0, 1]
    assert [check.runs for check in checks] == [1, 1, 1]


def test_what_did_not_interpolate_counts_for_nothing(monkeypatch):
    monkeypatch.setattr(downsampling, "MOST_STEPS", (10,) * 3)
    result = run_claim("downsampling", Scale("quick", seeds=1))
    assert result.interpolated == 0
    assert result.verdict == "not_applicable"
    assert all(math.isnan(check.measured) for check in result.evidence.checks)
    assert result.evidence.note == "No network interpolated."


def test_its_figure_is_drawn_even_of_nothing(result):
    runs = result.evidence.runs
    assert len(downsampling.figure(runs).to_dict()["vconcat"]) == 2
    assert downsampling.figure(runs.with_columns(interpolated=False)).to_dict()
