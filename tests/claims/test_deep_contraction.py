"""Contraction at the examples: what is counted, and that the quick experiment is well formed."""

import polars as pl
import pytest

from mnemoscope.claims.deep_contraction import CLAIM, COLUMNS, checks, note


def run(interpolated=True, **measured):
    row = {
        "activation": "tanh", "depth": 4, "width": 64, "batch_size": 4, "seed": 0, "n": 4,
        "interpolated": interpolated, "in_regime": True,
        **dict.fromkeys(name for name in COLUMNS if name != "width"),
    }  # fmt: skip
    return row | measured


def table(*rows):
    return pl.DataFrame(rows, schema_overrides=COLUMNS)


COUNTED = {
    "contractive": 3, "stored": 3, "well_below": 2, "well_below_stored": 2, "well_above": 1,
    "well_above_stored": 0,
}  # fmt: skip


def test_shares_are_pooled_over_networks_of_one_size_and_of_one_activation():
    five = {**COUNTED, "n": 5, "activation": "relu"}
    runs = table(run(**COUNTED), run(**COUNTED | {"contractive": 4}), run(**five))
    four, of_five, tanh, relu, *_ = checks(runs)
    assert (four.measured, four.runs) == (7 / 8, 2)
    assert four.difference == pytest.approx(1 / 8)
    assert (of_five.measured, of_five.runs) == (3 / 5, 1)
    assert (tanh.measured, relu.measured) == (7 / 8, 3 / 5)


def test_runs_that_do_not_interpolate_count_for_nothing():
    runs = table(run(**COUNTED), run(interpolated=False))
    check, *_ = checks(runs)
    assert (check.measured, check.runs) == (3 / 4, 1)
    assert "1 of 2 networks did not interpolate" in note(runs)


def test_only_the_regime_is_judged_and_the_rest_is_its_reach():
    other = {**COUNTED, "contractive": 0, "in_regime": False}
    runs = table(run(**COUNTED | {"contractive": 4}), run(width=32, **other))
    result = CLAIM.judge(runs)
    assert (result.checks[0].measured, result.checks[0].runs) == (1, 1)
    assert "In the regime: n = 4: contractive 100% (4 of 4)" in result.note
    assert "depth = 4, width = 32: contractive 0% (0 of 4)" in result.reach
    assert "spectral radius of 1.1 or more 0.0% are stored" in result.reach


def test_orbits_count_only_where_they_were_followed():
    ends = {"noise": 40, "noise_to_examples": 39, "corrupted": 80, "corrupted_to_examples": 80}
    found = checks(table(run(**COUNTED), run(**COUNTED, **ends)))
    noise = next(check for check in found if "noise" in check.what)
    assert (noise.measured, noise.runs, noise.verdict) == (39 / 40, 1, "holds")


def test_every_network_is_counted(quick):
    runs = quick("deep-contraction").runs
    # Two activations at two depths, and the regime.
    assert runs.height == (2 * 2 + 1) * 2
    assert runs["in_regime"].sum() == 2
    assert runs.select("activation", "depth", "width", "seed").n_unique() == runs.height
    counted = runs.filter("interpolated")
    for column in ("contractive", "stored", "well_below", "well_above"):
        assert counted[column].is_between(0, 5).all()


def test_contraction_well_below_one_stores_and_well_above_does_not(quick):
    below, above = (
        next(check for check in quick("deep-contraction").checks if word in check.what)
        for word in ("<=", ">=")
    )
    assert below.verdict == "holds"
    assert above.verdict in ("holds", "not_applicable")
