"""Attractors under every way of training: what is counted, and the quick experiment."""

import polars as pl
import pytest

from mnemoscope.claims import Scale
from mnemoscope.claims.robust_to_training import CLAIM, _checks, _note


@pytest.fixture(scope="module")
def evidence():
    return CLAIM.experiment(Scale("quick", seeds=2))


def table(*rows):
    told = [
        {
            "study": "optimizer", "optimizer": "adam", "lr": 1e-3, "batch_size": 4,
            "init": "default", "seed": 0, "n": 4, "updates": 10, "loss": 1e-9,
            "interpolated": True, "diverged": False, "contractive": 2, "stored": 2,
        } | row
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(told)


LOST = {"interpolated": False, "stored": None, "contractive": None, "loss": 1.0}


def test_every_setting_is_told_with_its_updates(evidence):
    runs = evidence.runs
    assert set(runs["study"]) == {"optimizer", "init", "updates"}
    settings = ["study", "optimizer", "lr", "batch_size", "init", "seed"]
    assert runs.select(settings).n_unique() == runs.height
    assert (runs["updates"] > 0).all()
    counted = runs.filter("interpolated")
    assert (counted["loss"] <= 1e-8).all()
    assert counted["stored"].is_between(0, 5).all()
    assert runs.filter(~pl.col("interpolated"))["stored"].is_null().all()
    assert CLAIM.figure(runs).to_dict()


def test_equal_numbers_of_updates_are_equal(evidence):
    assert set(evidence.runs.filter(pl.col("study") == "updates")["updates"]) == {1_000}


def test_a_network_that_stores_anything_has_attractors():
    optimizer, batch, *_ = _checks(table({"stored": 1}, {"stored": 0}, {"stored": 4}, LOST))
    assert (optimizer.measured, optimizer.runs, optimizer.verdict) == (2 / 3, 3, "fails")
    assert (batch.measured, batch.runs) == (2 / 3, 3)


def test_runs_that_do_not_interpolate_count_for_nothing():
    runs = table(LOST, LOST | {"study": "init"}, LOST | {"study": "updates", "diverged": True})
    assert {check.verdict for check in _checks(runs)} == {"not_applicable"}
    assert "3 of 3 runs did not interpolate, of which 1 diverged" in _note(runs)
    assert CLAIM.figure(runs).to_dict()


def test_the_note_keeps_numbers_of_updates_apart():
    rows = [{"study": "updates", "updates": u, "stored": s} for u, s in ((10, 1), (40, 3))]
    note = _note(table(*rows))
    assert "in batches of 4 25% (1 of 4; 10), in batches of 4 75% (3 of 4; 40)" in note
