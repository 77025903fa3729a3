"""`store` makes an associative memory: a network, its audit and the table of memories."""

import json
import signal
import time

import polars as pl
import pytest
import torch

import mnemoscope as mn

BRIEF = ["--starts", "20", "--trials", "1"]

DIGITS = ["store", "digits", "--n", "4", "--steps", "600", *BRIEF]

ALONE = [*DIGITS, "--no-compare"]


def test_it_leaves_a_memory_that_can_be_audited_as_any_run(here, run, refused):
    done = run(*ALONE, "--json")
    assert done.code == 0, done.err
    folder = here / "runs/store"
    assert {path.name for path in folder.iterdir()} == {
        "network.safetensors", "run.json", "audit", "report.html", "memories.csv",
    }  # fmt: skip
    assert done.json["stored"]["count"] == done.json["examples"] == 4
    assert done.json["memories"] == pl.read_csv(folder / "memories.csv").to_dicts()
    assert {row["memory"] for row in done.json["memories"]} == {"network"}
    network = mn.nets.load(folder / "network.safetensors")
    assert network.training_record.finish.method == "least_squares"
    X = mn.load_data("digits", n=4)
    assert torch.allclose(network(X), X, atol=1e-5)
    refused(*ALONE, "--seed", "1", says="already holds another run")
    again = run("audit", "runs/store", *BRIEF, "--json")
    assert again.code == 0, again.err
    assert again.json["stored"]["count"] == 4


def test_memories_are_printed_side_by_side(run):
    done = run(*DIGITS)
    assert done.code == 0, done.err
    assert done.err == ""
    for words in ("the last layer by least squares", "network", "hopfield", "plain", "4 of 4"):
        assert words in done.out


def test_sequence_is_a_cycle(here, run):
    done = run(
        "store", "digits", "--n", "4", "--steps", "1500", *BRIEF, "--no-compare", "--sequence",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["stored"]["count"] == 4
    network = mn.nets.load(here / "runs/store/network.safetensors")
    X = mn.load_data("digits", n=4)
    assert torch.allclose(network(X), X.roll(-1, 0), atol=1e-4)


@pytest.mark.parametrize(
    ("option", "value"), [("--width", "0"), ("--depth", "1"), ("--noise", "-1"), ("--trials", "0")]
)
def test_options_are_named_as_they_are_typed(refused, option, value):
    refused("store", "digits", "--n", "4", option, value, says=f"{option}={value}")


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_trained(here, start, run):
    long = ["store", "digits", "--n", "10", "--steps", "20000", "--no-compare"]
    process = start(*long)
    unfinished = here / "runs/store"
    until = time.monotonic() + 60
    while not list(unfinished.glob("unfinished-*/run.json")):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Traceback" not in err
    (kept,) = unfinished.glob("unfinished-*/*.safetensors")
    assert kept.name == "attempt-1.safetensors"
    assert json.loads((kept.parent / "run.json").read_text())["command"].startswith("mnemoscope")
    assert "training interrupted" in err
    assert str(kept.relative_to(here)) in err
