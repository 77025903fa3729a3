"""Where random starts end: what is counted, and that the quick experiment is well formed."""

import polars as pl

from mnemoscope.claims.iteration import COUNTS, checks, note


def table(*rows):
    made = [
        {
            "n": 5,
            "seed": 0,
            "kind": "uniform",
            "interpolated": True,
            "in_regime": True,
            **dict.fromkeys(COUNTS),
            "stored": None,
        }
        | row
        for row in rows
    ]
    return pl.DataFrame(made, schema_overrides=COUNTS)


def ends(at_examples, spurious=0, **more):
    return {
        "stored": 5, "starts": 100, "at_examples": at_examples, "spurious": spurious,
        "not_settled": 100 - at_examples - spurious, "examples_reached": 3, **more,
    }  # fmt: skip


def test_shares_are_pooled_by_n_and_by_distribution_and_networks_are_counted_once():
    runs = table(ends(100), ends(92, 8, kind="pink"), ends(80, n=9), ends(70, 20, n=9, kind="pink"))
    of_five, of_nine, uniform, pink = checks(runs)
    assert (of_five.measured, of_five.runs, of_five.verdict) == (0.96, 1, "holds")
    assert (of_nine.measured, of_nine.runs, of_nine.verdict) == (0.75, 1, "fails")
    assert (uniform.measured, uniform.runs) == (0.9, 2)
    assert (pink.measured, pink.runs) == (0.81, 2)


def test_runs_that_do_not_interpolate_count_for_nothing():
    runs = table(ends(100), {"seed": 1, "interpolated": False})
    check, *_ = checks(runs)
    assert (check.measured, check.runs) == (1, 1)
    assert note(table({"interpolated": False})) == "No network interpolated."


def test_the_note_sets_networks_that_store_all_apart():
    text = note(table(ends(100), ends(60, 40, seed=1, stored=3)))
    assert "8 of 10 examples stored" in text
    assert "store all their examples 0.0% of 100 starts" in text
    assert "of the others 40.0% of 100" in text


def test_every_start_of_every_distribution_has_an_end(quick):
    runs = quick("iteration").runs
    # Two networks of the regime and two of its reach, from two distributions each.
    assert runs.height == (2 + 2) * 2
    assert runs["in_regime"].sum() == 2 * 2
    counted = runs.filter("interpolated")
    assert (counted["starts"] == 100).all()
    assert (counted["examples_reached"] <= counted["n"]).all()
    assert (counted["largest_basin"] <= counted["starts"]).all()
