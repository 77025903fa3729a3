"""`extract` pulls pictures out of a network's weights and writes them into a folder."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from tests.cli.conftest import tree

BRIEF = ["--starts", "20", "--limit", "200"]


def test_pictures_and_tables(trained, run):
    done = run("extract", "runs/train", *BRIEF, "--out", "out")
    assert (done.code, done.err) == (0, "")
    assert "candidates from" in done.out
    assert done.out.endswith("\nout\n")
    assert "Training examples" not in done.out
    out = trained.parent.parent / "out"
    table = pl.read_csv(out / "table.csv")
    assert len(list((out / "pictures").glob("*.png"))) == table.height > 0
    assert (out / "sheet.png").exists()
    assert not (out / "scores.csv").exists()
    assert not list(out.rglob(".*"))


def test_a_summary_for_programs_and_scores_with_data(trained, run, here):
    done = run(
        "extract", "runs/train/network.safetensors", *BRIEF,
        "--data", "digits", "-n", "4", "--out", "out", "--json",
    )  # fmt: skip
    assert done.err == ""
    message = done.json
    assert {"candidates", "attractors", "starts", "stopped", "estimates", "score"} <= set(message)
    recall, precision = message["score"]["recall"], message["score"]["precision"]
    assert (recall["total"], precision["total"]) == (4, message["candidates"])
    assert recall["low"] <= recall["rate"] <= recall["high"]
    scores = pl.read_csv(here / "out" / "scores.csv")
    assert scores.height == message["candidates"]
    assert scores["found"][-1] == recall["count"]


def test_without_out_it_has_a_folder_of_its_own(trained, run, here):
    before = tree(here / "runs" / "train")
    done = run("extract", "runs/train", *BRIEF)
    assert done.code == 0
    assert (here / "runs" / "train-extracted" / "extraction.json").exists()
    assert tree(here / "runs" / "train") == before


def test_the_folder_is_that_of_one_network(trained, run, refused, here):
    data = ["--data", "digits", "-n", "4"]
    assert run("extract", "runs/train", *BRIEF, *data, "--out", "out").code == 0
    again = run("extract", "runs/train", *BRIEF, "--seed", "1", "--out", "out")
    assert again.code == 0
    assert json.loads((here / "out" / "extraction.json").read_text())["summary"]["seed"] == 1
    # Scores of the first would be scores of nothing.
    assert not (here / "out" / "scores.csv").exists()
    # The run's network by its own name is the same; a copy of it elsewhere is another.
    assert run("extract", "runs/train/network.safetensors", *BRIEF, "--out", "out").code == 0
    shutil.copy("runs/train/network.safetensors", "copy.safetensors")
    other = ["extract", "copy.safetensors", *BRIEF, "--out", "out"]
    refused(*other, says="--force")
    assert run(*other, "--force").code == 0


def test_starts_of_ones_own(trained, run, here):
    np.save(here / "mine.npy", np.random.default_rng(0).normal(size=(30, 1, 8, 8)) * 5)
    done = run(
        "extract",
        "runs/train",
        "--starts-from",
        "mine.npy",
        "--limit",
        "30",
        "--json",
        "--out",
        "out",
    )
    (given, noise, every) = done.json["estimates"]
    assert (given["pool"], given["starts"]) == ("given", 30)
    assert (noise["starts"], every["starts"]) == (0, 30)


def test_nothing_to_pull_out_is_reported(trained, run):
    """A time that is over at once."""
    done = run("extract", "runs/train", "--seconds", "1e-9", "--starts", "1", "--out", "out")
    assert done.code == 0
    assert "most seconds" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["extract", "nowhere"], "nowhere"),
        (["extract", "runs/train", "-n", "4"], "--n without --data"),
        (["extract", "runs/train", "--data", "photos"], "(3, 32, 32)"),
        (["extract", "runs/train", "--low", "0"], "both or neither"),
        (["extract", "runs/train", "--low", "1", "--high", "0"], "span="),
        (["extract", "runs/train", "--starts", "0"], "starts=0"),
        (["extract", "runs/train", "--starts-from", "mine.txt"], "--starts-from mine.txt"),
        (["extract", "runs/train", "--starts-from", "short.npy"], "(7,)"),
        (["extract", "runs/train", "--device", "abacus"], "--device abacus"),
        (["extract", "runs/train", "--limit", "many"], "a whole number"),
        (["extract", "runs/train", "--out", "runs/train"], "--force"),
    ],
)
def test_wrong_input_is_one_line(trained, refused, here, arguments, says):
    np.save(here / "short.npy", np.zeros((3, 7)))
    refused(*arguments, says=says)


def test_ctrl_c_leaves_what_was_there(trained, run, here, monkeypatch):
    assert run("extract", "runs/train", *BRIEF, "--out", "out").code == 0
    before = tree(here)

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mnemoscope.extraction.extraction.sheet", interrupted)
    monkeypatch.setattr("os._exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    done = run("extract", "runs/train", *BRIEF, "--seed", "1", "--out", "out")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert tree(here) == before
