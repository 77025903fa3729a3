"""How many pictures are stored: what is counted, the quick experiment, the headline in small."""

import polars as pl
import pytest

import mnemoscope as mn
from mnemoscope.claims import Scale
from mnemoscope.claims.capacity import CLAIM, COUNTS, HEADLINE, SWEEP, _checks, _note, headline
from mnemoscope.dynamics.starts import STARTS


@pytest.fixture(scope="module")
def evidence():
    return CLAIM.experiment(Scale("quick", seeds=1))


def table(*rows):
    told = [
        {
            "part": SWEEP, "n": 10, "size": 8, "seed": 0, "interpolated": True,
            **dict.fromkeys(COUNTS),
        } | row
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(told, schema_overrides=dict.fromkeys(COUNTS, pl.Int64))


def ends(stored, spurious=0, attractors=0, **more):
    return {
        "stored": stored, "starts": 100, "spurious": spurious, "spurious_attractors": attractors,
        "not_settled": 0, **more,
    }  # fmt: skip


def test_every_network_and_start_is_told(evidence):
    runs = evidence.runs
    assert runs["n"].to_list() == [5, 10]
    counted = runs.filter("interpolated")
    assert counted.height > 0
    total = counted["at_examples"] + counted["spurious"] + counted["not_settled"]
    assert (total == counted["starts"]).all()
    assert (counted["starts"] == 50 * len(STARTS)).all()
    assert (counted["stored"] <= counted["n"]).all()
    assert CLAIM.figure(runs).to_dict()


def test_stored_and_spurious_shares_are_pooled_over_seeds():
    lost = {"n": 50, "seed": 2, "interpolated": False}
    runs = table(ends(50, n=50), ends(48, spurious=6, n=50, seed=1), lost)
    kept, spurious = _checks(runs)
    assert (kept.measured, kept.runs, kept.verdict) == (0.98, 2, "holds")
    assert (spurious.measured, spurious.runs, spurious.verdict) == (0.03, 2, "holds")
    assert _note(runs).startswith("n = 50: 98 of 100 stored in 2 networks, 6 of 200 starts")


def test_the_headline_allows_for_nothing():
    *_, kept, spurious = _checks(table(ends(499, 1, 1, part=HEADLINE, n=500)))
    assert (kept.measured, kept.predicted, kept.verdict) == (499, 500, "fails")
    assert (spurious.measured, spurious.verdict) == (1, "fails")
    *_, kept, spurious = _checks(table(ends(500, part=HEADLINE, n=500)))
    assert kept.verdict == spurious.verdict == "holds"


def test_what_does_not_interpolate_counts_for_nothing():
    runs = table({"interpolated": False}, ends(400, 3, 2, part=HEADLINE, n=500, interpolated=False))
    assert {check.verdict for check in _checks(runs)} == {"not_applicable"}
    assert _note(runs) == "No network interpolated."
    assert CLAIM.figure(runs).to_dict()


X = mn.load_data("photos", n=4, size=8)
SPEC = mn.nets.FullyConnected(shape=(3, 8, 8), width=32, depth=4)


def test_the_headline_goes_through_its_stages_until_it_interpolates():
    row, told = headline(SPEC, X, 0, ((1e-3, 20), (2e-3, 4_000), (1e-3, 10)), 20, "cpu")
    assert row["interpolated"]
    assert 20 < row["steps"] < 4_020
    assert row["starts"] == 20 * len(STARTS)
    assert f"{row['stored']} of 4 stored" in told
    assert "did not interpolate" not in told


def test_the_headline_tells_how_far_it_got():
    row, told = headline(SPEC, X, 0, ((1e-3, 20), (1e-3, 10)), 5, "cpu")
    assert not row["interpolated"]
    assert row["steps"] == 30
    assert "after 30 updates" in told
    assert "did not interpolate" in told


def test_the_headline_tells_what_stopped_it():
    row, told = headline(SPEC, X, 0, ((1e6, 100),), 5, "cpu")
    assert not row["interpolated"]
    assert row["stored"] is None
    assert "stopped: training diverged" in told
