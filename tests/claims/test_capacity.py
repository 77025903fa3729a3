"""How many pictures are stored: what is counted, the quick experiment, the headline in small."""

import polars as pl

import mnemoscope as mn
from mnemoscope.associative import StoreOptions, plan
from mnemoscope.claims.capacity import (
    COLUMNS,
    HEADLINE,
    SWEEP,
    checks,
    headline,
    note,
)
from mnemoscope.dynamics.starts import STARTS


def table(*rows):
    made = [
        {
            "part": SWEEP, "n": 10, "size": 8, "seed": 0, "interpolated": True,
            "way": "plain", "in_regime": True, **dict.fromkeys(COLUMNS), "loss": 1e-9, "steps": 10,
            "training_minutes": 0.0, "census_minutes": 0.0,
        } | row
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(made, schema_overrides=COLUMNS)


def ends(kept, spurious=0, attractors=0, **more):
    return {
        "stored": kept, "contractive": kept, "starts": 100, "spurious": spurious,
        "spurious_attractors": attractors, "not_settled": 0, **more,
    }  # fmt: skip


def test_stored_and_spurious_shares_are_pooled_over_seeds():
    lost = {"n": 50, "seed": 2, "interpolated": False}
    runs = table(ends(50, n=50), ends(48, spurious=6, n=50, seed=1), lost)
    kept, spurious = checks(runs)
    assert (kept.measured, kept.runs, kept.verdict) == (0.98, 2, "holds")
    assert (spurious.measured, spurious.runs, spurious.verdict) == (0.03, 2, "holds")
    assert "(98 of 100)" in note(runs)
    assert "(6 of 200)" in note(runs)


def test_the_headline_allows_for_nothing():
    *_, kept, spurious = checks(table(ends(499, 1, 1, part=HEADLINE, n=500)))
    assert (kept.measured, kept.predicted, kept.verdict) == (499, 500, "fails")
    assert (spurious.measured, spurious.verdict) == (1, "fails")
    *_, kept, spurious = checks(table(ends(500, part=HEADLINE, n=500)))
    assert kept.verdict == spurious.verdict == "holds"


def test_what_does_not_interpolate_counts_for_nothing():
    runs = table({"interpolated": False}, ends(400, 3, 2, part=HEADLINE, n=500, interpolated=False))
    assert {check.verdict for check in checks(runs)} == {"not_applicable"}
    assert note(runs).startswith("No network interpolated.")


X = mn.load_data("photos", n=4, size=8)
SPEC = mn.nets.FullyConnected(shape=(3, 8, 8), width=32, depth=4)


def plain(starts=5, **options):
    return headline(X, "plain", SPEC, mn.TrainingOptions(batch_size=2, **options), starts)


def test_the_headline_says_how_it_was_finished():
    row = plain(20, lr=2e-3, max_steps=4_000, finish="least_squares")
    assert row["interpolated"]
    assert row["in_regime"]
    assert row["starts"] == 20 * len(STARTS)
    words = note(table(row))
    assert f"{row['stored']} of 4 stored" in words
    assert "finished from a loss of" in words
    assert "did not interpolate" not in words


def test_what_store_makes_is_shown_and_decides_nothing():
    first = plan(X, StoreOptions(width=32, depth=4, steps=500), seed=0)
    row = headline(X, "store", first.spec, first.training, 20)
    assert not row["in_regime"]
    assert row["interpolated"]
    assert 0 < row["stored"] <= 4


def test_the_headline_is_measured_where_it_does_not_interpolate():
    row = plain(max_steps=20)
    assert not row["interpolated"]
    assert (row["steps"], row["starts"]) == (20, 5 * len(STARTS))
    assert "did not interpolate" in note(table(row))


def test_a_headline_that_diverges_has_its_reason_and_no_counts():
    row = plain(lr=1e6, max_steps=100)
    assert (row["interpolated"], row["diverged"], row["stored"]) == (False, True, None)
    assert row["stopped"] in note(table(row))


def test_every_network_and_start_is_counted(quick):
    runs = quick("capacity").runs
    assert runs["n"].to_list() == [5, 10]
    counted = runs.filter("interpolated")
    assert (counted["starts"] == 50 * len(STARTS)).all()
    assert (counted["stored"] <= counted["n"]).all()
