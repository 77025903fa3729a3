"""Attractors under every way of training: what is counted, and the quick experiment."""

import polars as pl

from mnemoscope.claims.robust_to_training import checks, note


def table(*rows):
    made = [
        {
            "study": "optimizer", "optimizer": "adam", "lr": 1e-3, "batch_size": 4,
            "init": "default", "seed": 0, "n": 4, "steps": 10, "loss": 1e-9,
            "interpolated": True, "in_regime": True, "diverged": False,
            "contractive": 2, "stored": 2,
        } | row
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(made)


LOST = {"interpolated": False, "stored": None, "contractive": None, "loss": 1.0}


def test_a_network_that_stores_anything_has_attractors():
    optimizer, batch, *_ = checks(table({"stored": 1}, {"stored": 0}, {"stored": 4}, LOST))
    assert (optimizer.measured, optimizer.runs, optimizer.verdict) == (2 / 3, 3, "fails")
    assert (batch.measured, batch.runs) == (2 / 3, 3)


def test_runs_that_do_not_interpolate_count_for_nothing():
    runs = table(LOST, LOST | {"study": "init"}, LOST | {"study": "updates", "diverged": True})
    assert {check.verdict for check in checks(runs)} == {"not_applicable"}
    assert "3 of 3 runs" in note(runs)


def test_the_note_keeps_numbers_of_updates_apart():
    rows = [{"study": "updates", "steps": u, "stored": s} for u, s in ((10, 1), (40, 3))]
    text = note(table(*rows))
    assert "in batches of 4 25% (1 of 4; 10), in batches of 4 75% (3 of 4; 40)" in text


def test_every_setting_is_a_row(quick):
    runs = quick("robust-to-training").runs
    assert set(runs["study"]) == {"optimizer", "init", "updates"}
    settings = ["study", "optimizer", "lr", "batch_size", "init", "seed"]
    assert runs.select(settings).n_unique() == runs.height
    counted = runs.filter("interpolated")
    assert (counted["loss"] <= 1e-8).all()
    assert counted["stored"].is_between(0, 5).all()
    assert runs.filter(~pl.col("interpolated"))["stored"].is_null().all()
    assert set(runs.filter(pl.col("study") == "updates")["steps"]) == {1_000}
