"""Where random starts end: what is counted, and that the quick experiment is well formed."""

import polars as pl
import pytest

from mnemoscope.claims import Scale
from mnemoscope.claims.iteration import CLAIM, COUNTS, _checks, _note


@pytest.fixture(scope="module")
def evidence():
    return CLAIM.experiment(Scale("quick", seeds=2))


def table(*rows):
    told = [
        {"n": 5, "seed": 0, "kind": "uniform", "interpolated": True, **dict.fromkeys(COUNTS)} | row
        for row in rows
    ]
    return pl.DataFrame(told, schema_overrides=dict.fromkeys(COUNTS, pl.Int64))


def ends(at_examples, spurious=0, **more):
    return {
        "stored": 5, "starts": 100, "at_examples": at_examples, "spurious": spurious,
        "not_settled": 100 - at_examples - spurious, "examples_reached": 3, **more,
    }  # fmt: skip


def test_every_start_of_every_distribution_has_an_end(evidence):
    runs = evidence.runs
    assert runs.height == 2 * 2
    counted = runs.filter("interpolated")
    assert counted.height > 0
    total = counted["at_examples"] + counted["spurious"] + counted["not_settled"]
    assert (total == counted["starts"]).all()
    assert (counted["starts"] == 100).all()
    assert (counted["examples_reached"] <= counted["n"]).all()
    assert (counted["largest_basin"] <= counted["starts"]).all()
    assert counted["share"].is_between(counted["share_low"], counted["share_high"]).all()
    assert CLAIM.figure(runs).to_dict()


def test_the_same_seeds_give_the_same_ends(evidence):
    again = CLAIM.experiment(Scale("quick", seeds=2))
    assert again.runs.equals(evidence.runs)


def test_shares_are_pooled_by_n_and_by_distribution_and_networks_are_counted_once():
    runs = table(ends(100), ends(92, 8, kind="pink"), ends(80, n=9), ends(70, 20, n=9, kind="pink"))
    of_five, of_nine, uniform, pink = _checks(runs)
    assert (of_five.measured, of_five.runs, of_five.verdict) == (0.96, 1, "holds")
    assert (of_nine.measured, of_nine.runs, of_nine.verdict) == (0.75, 1, "fails")
    assert (uniform.measured, uniform.runs) == (0.9, 2)
    assert (pink.measured, pink.runs) == (0.81, 2)


def test_runs_that_do_not_interpolate_count_for_nothing():
    runs = table(ends(100), {"seed": 1, "interpolated": False})
    check, *_ = _checks(runs)
    assert (check.measured, check.runs) == (1, 1)
    none = table({"interpolated": False})
    assert {check.verdict for check in _checks(none)} == {"not_applicable"}
    assert _note(none) == "No network interpolated."
    assert CLAIM.figure(none).to_dict()


def test_the_note_sets_networks_that_store_all_apart():
    note = _note(table(ends(100), ends(60, 40, seed=1, stored=3)))
    assert "8 of 10 examples stored" in note
    assert "store all their examples 0.0% of 100 starts" in note
    assert "of the others 40.0% of 100" in note
