"""Contraction at the examples: what is counted, and that the quick experiment is well formed."""

import polars as pl
import pytest

from mnemoscope.claims.deep_contraction import COLUMNS, checks, note


def run(interpolated=True, **measured):
    row = {
        "activation": "tanh", "depth": 4, "batch_size": 4, "seed": 0, "n": 4,
        "interpolated": interpolated, **dict.fromkeys(COLUMNS),
    }  # fmt: skip
    return row | measured


def table(*rows):
    return pl.DataFrame(rows, schema_overrides=COLUMNS)


COUNTED = {
    "contractive": 3, "stored": 3, "well_below": 2, "well_below_stored": 2, "well_above": 1,
    "well_above_stored": 0,
}  # fmt: skip


def test_shares_are_pooled_over_networks_of_a_depth():
    runs = table(run(**COUNTED), run(**COUNTED | {"contractive": 4}), run(depth=8, **COUNTED))
    four, eight, *_ = checks(runs)
    assert (four.measured, four.runs) == (7 / 8, 2)
    assert four.difference == pytest.approx(1 / 8)
    assert (eight.measured, eight.runs) == (3 / 4, 1)


def test_neither_runs_that_do_not_interpolate_nor_small_batches_count():
    runs = table(
        run(**COUNTED), run(interpolated=False), run(batch_size=2, **COUNTED | {"contractive": 0})
    )
    check, *_ = checks(runs)
    assert (check.measured, check.runs) == (3 / 4, 1)
    assert "1 of 3 networks did not interpolate" in note(runs)
    assert "tanh: contractive 0% (0 of 4)" in note(runs)


def test_orbits_count_only_where_they_were_followed():
    ends = {"noise": 40, "noise_to_examples": 39, "corrupted": 80, "corrupted_to_examples": 80}
    found = checks(table(run(**COUNTED), run(**COUNTED, **ends)))
    noise = next(check for check in found if "noise" in check.what)
    assert (noise.measured, noise.runs, noise.verdict) == (39 / 40, 1, "holds")


def test_every_network_is_counted(quick):
    runs = quick("deep-contraction").runs
    assert runs.height == 2 * 2 * 2
    assert runs.select("activation", "depth", "seed").n_unique() == runs.height
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
