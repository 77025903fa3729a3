"""Ctrl-C, SIGTERM and SIGKILL lose nothing, and the same command goes on."""

import shlex
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .conftest import BRIEF, SMALL, TRAIN, Done, assert_refused, tree

LONG = ["train", "digits", "-n", "4", *SMALL, "--tol", "1e-30", "--max-steps", "3000"]

CHECKPOINT = "runs/train/unfinished-*/checkpoint.safetensors"

EAGER = """
import sys
import mnemoscope.training.train
sys.modules["mnemoscope.training.train"].CHECKPOINT_SECONDS = 0.1
from mnemoscope.cli import main
main()
"""
"""The command line, with a checkpoint every tenth of a second."""

SEEN = """
import pathlib
import mnemoscope.training.train
import sys
module = sys.modules["mnemoscope.training.train"]
step = module._Run._pass
def seen(*arguments):
    pathlib.Path("begun").touch()
    return step(*arguments)
module._Run._pass = seen
from mnemoscope.cli import main
main()
"""
"""The command line, with a file from the first step on."""


def ended(process):
    out, err = process.communicate(timeout=600)
    return Done(process.returncode, out, err)


def wait_for(process, condition):
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


def loaded(process, library):
    return lambda: library in Path(f"/proc/{process.pid}/maps").read_text()


def unfinished(here):
    return list(here.glob("runs/train/unfinished-*/run.json"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    from .conftest import in_folder

    folder = tmp_path_factory.mktemp("uninterrupted")
    in_folder(folder, LONG)
    return load_file(folder / "runs/train/network.safetensors")


def assert_same_weights(here, uninterrupted):
    mine = load_file(here / "runs/train/network.safetensors")
    assert all(torch.equal(mine[name], uninterrupted[name]) for name in uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_training_goes_on_to_the_same_bits(here, start, run, refused, uninterrupted, number):
    process = start(*LONG, program=["-c", EAGER])
    wait_for(process, lambda: list(here.glob(CHECKPOINT)))
    process.send_signal(number)
    done = ended(process)
    assert_refused(done, "training interrupted", "checkpoint.safetensors")
    assert list(here.glob(CHECKPOINT))
    refused("audit", "runs/train", says="training has not ended")
    refused("report", "runs/train", says="training has not ended")
    again = shlex.split(done.err.split("run the same command again: ")[1])
    assert again == ["mnemoscope", *LONG]
    assert run(*again[1:]).code == 0
    assert_same_weights(here, uninterrupted)
    assert not list(here.glob("runs/train/unfinished-*"))


def ignoring_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_in_the_background_ctrl_c_is_ignored_and_sigterm_keeps_every_step(
    here, start, run, uninterrupted
):
    # No checkpoint is due within the test: the one that is there was written on SIGTERM.
    process = start(*LONG, program=["-c", SEEN], preexec_fn=ignoring_ctrl_c)
    wait_for(process, (here / "begun").exists)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert_refused(ended(process), "training interrupted", "checkpoint.safetensors")
    assert list(here.glob(CHECKPOINT))
    assert run(*LONG).code == 0
    assert_same_weights(here, uninterrupted)


@pytest.mark.parametrize("library", ["libtorch", "_multiarray_umath"])
def test_sigterm_in_the_background_while_libraries_are_imported(here, start, library):
    process = start(*TRAIN, preexec_fn=ignoring_ctrl_c)
    wait_for(process, loaded(process, library))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert_refused(ended(process), "interrupted")
    assert not tree(here)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(["-m", "mnemoscope"], id="early", marks=pytest.mark.slow),
        pytest.param(["-c", EAGER], id="late"),
    ],
)
def test_a_killed_training_goes_on_to_the_same_bits(here, start, run, uninterrupted, program):
    process = start(*LONG, program=program)
    late = program[0] == "-c"
    wait_for(process, lambda: list(here.glob(CHECKPOINT)) if late else unfinished(here))
    process.kill()
    process.communicate()
    assert run(*LONG).code == 0
    assert_same_weights(here, uninterrupted)


def test_ctrl_c_before_there_is_a_checkpoint(here, start):
    process = start(*TRAIN)
    wait_for(process, lambda: unfinished(here))
    process.send_signal(signal.SIGINT)
    assert_refused(ended(process), "interrupted")


@pytest.mark.parametrize("library", ["libtorch", "_multiarray_umath"])
def test_ctrl_c_while_libraries_are_imported(here, start, library):
    process = start(*TRAIN)
    wait_for(process, loaded(process, library))
    process.send_signal(signal.SIGINT)
    assert_refused(ended(process), "interrupted")
    assert not tree(here)


def test_a_forced_training_leaves_the_old_run_until_it_has_ended(audited, here, start, run):
    before = tree(here)
    process = start(*LONG, "--force", program=["-c", EAGER])
    wait_for(process, lambda: list(here.glob(CHECKPOINT)))
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert_refused(done, "--force")
    kept = tree(here)
    assert {path: kept[path] for path in before} == before
    assert run("report", "runs/train").code == 0
    assert run(*LONG, "--force").code == 0
    assert run("audit", "runs/train", *BRIEF).code == 0


def test_an_interrupted_audit_leaves_the_old_one(audited, here, start):
    before = tree(here)
    process = start("audit", "runs/train", "--starts", "200000")
    wait_for(process, lambda: list(audited.glob(".writing-*")))
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert_refused(ended(process), "interrupted")
    assert tree(here) == before
