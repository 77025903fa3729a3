"""`train` fits a network and keeps it; the same command again works, another one needs --force."""

import shlex
import signal
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import mnemoscope as mn

from .conftest import BRIEF, SMALL, TRAIN, pictures


def weights(run):
    return load_file(run / "network.safetensors")


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_leaves_a_network_and_nothing_else(here, process):
    done = process(*TRAIN, anew=True)
    assert done.code == 0
    assert done.err == ""
    assert "interpolates" in done.out
    assert {path.name for path in (here / "runs/train").iterdir()} == {
        "network.safetensors",
        "run.json",
    }
    record = mn.nets.load(here / "runs/train/network.safetensors").training_record
    assert record.converged
    assert record.source["source"] == "digits"


def test_its_summary_as_json(here, run):
    done = run(*TRAIN, "--json")
    assert done.err == ""
    assert done.json["converged"] is True
    assert done.json["network"] == "runs/train/network.safetensors"


def test_the_same_command_again(trained, run):
    before = weights(trained)
    assert run(*TRAIN).code == 0
    assert same(weights(trained), before)


def test_another_run_takes_the_folder_with_force(audited, run):
    assert run(*TRAIN, "--force", "--seed", "1").code == 0
    assert mn.nets.load(audited / "network.safetensors").training_record.options["seed"] == 1
    assert {path.name for path in audited.iterdir()} == {"network.safetensors", "run.json"}


def test_the_same_run_keeps_its_audit(audited, run):
    assert run(*TRAIN).code == 0
    assert run("report", "runs/train").code == 0


def test_duplicates_are_reported(here, run):
    X = mn.load_data("digits", n=3)
    np.save(here / "X.npy", torch.cat([X, X[:1]]).numpy())
    done = run("train", "X.npy", *SMALL)
    assert done.code == 0
    assert done.err == ""
    assert "1 example is a duplicate: 3 = 0." in done.out
    assert run("train", "X.npy", *SMALL, "--json").json["duplicates"] == [[0, 3]]


def test_not_converged_is_reported(run):
    done = run(*TRAIN, "--max-steps", "20")
    assert done.code == 0
    assert "does not interpolate" in done.out


def test_a_spec_from_a_file(here, run):
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=8, depth=2)
    (here / "spec.json").write_text(spec.to_json())
    assert run("train", "digits", "-n", "2", "--spec", "spec.json", "--max-steps", "5").code == 0
    assert mn.nets.load(here / "runs/train/network.safetensors").spec == spec


@pytest.mark.parametrize("out", ["mit Leerzeichen", "μνήμη/記憶", "-dash", "it's $HOME", "a;b"])
def test_the_command_it_recommends_can_be_pasted(here, run, out):
    pictures(here / "pictures of mine", 8, 8, 8)
    done = run("train", "pictures of mine", *SMALL, "--max-steps", "50", f"--out={out}")
    assert done.code == 0
    program, *arguments = shlex.split(done.out.splitlines()[-1].split("?  ")[1])
    assert program == "mnemoscope"
    assert run(*arguments, *BRIEF).code == 0
    assert (here / out / "report.html").exists()


@pytest.mark.slow
def test_the_command_it_recommends_is_the_one_it_was_called_by(process):
    import sys

    done = process(*TRAIN, "--max-steps", "5", anew=True)
    assert done.out.splitlines()[-1].endswith(f"{sys.executable} -m mnemoscope audit runs/train")


@pytest.mark.parametrize("other", [TRAIN, [*TRAIN, "--seed", "1"]], ids=["same", "other"])
def test_of_two_at_the_same_time_in_one_folder_one_is_refused(here, start, other):
    first = start(*TRAIN, anew=True)
    while not (here / "runs/train/.claimed").exists():
        assert first.poll() is None, first.communicate()
    time.sleep(0.05)  # The lock under which it claims the folder is held for a moment longer.
    first.send_signal(signal.SIGSTOP)  # However long the other takes to begin.
    try:
        second = start(*other)
        assert second.wait(timeout=600) == 2
    finally:
        first.send_signal(signal.SIGCONT)
    assert "which another command is writing to (" in second.communicate()[1]
    assert first.wait(timeout=600) == 0
    assert mn.nets.load(here / "runs/train/network.safetensors").training_record.converged
    assert {path.name for path in (here / "runs/train").iterdir()} == {
        "network.safetensors",
        "run.json",
    }
