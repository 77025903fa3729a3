"""Ctrl-C, SIGTERM and SIGKILL lose nothing, and the same command goes on."""

import shlex
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .conftest import BRIEF, SMALL, TRAIN, Done, assert_refused, tree

LONG = ["train", "digits", "-n", "4", *SMALL, "--tol", "1e-30", "--max-steps", "3000"]

CHECKPOINT = "runs/train/unfinished-*/checkpoint.safetensors"

EAGER = """
from mnemoscope.training import single
single.CHECKPOINT_SECONDS = 0.1
from mnemoscope.cli import main
main()
"""
"""The command line, with a checkpoint every tenth of a second."""

SEEN = """
import pathlib
from mnemoscope.training import single
step = single._Run._pass
def seen(*arguments):
    pathlib.Path("begun").touch()
    return step(*arguments)
single._Run._pass = seen
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
    process = start(*TRAIN, preexec_fn=ignoring_ctrl_c, anew=True)
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
    process = start(*TRAIN, anew=True)
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


AT_CONTROLS = """
import pathlib
import sys
import time
import mnemoscope.measure.auditing
module = sys.modules["mnemoscope.measure.auditing"]
def waiting(*arguments, **options):
    pathlib.Path("begun").touch()
    while True:
        time.sleep(0.01)
module.measure_controls = waiting
from mnemoscope.cli import main
main()
"""
"""The command line, which waits for Ctrl-C at the last part of an audit."""

NETWORK = ["audit", "runs/train/network.safetensors", "--out", "new", *BRIEF]


def interrupted(start, here, arguments, number=signal.SIGINT):
    process = start(*arguments, program=["-c", AT_CONTROLS])
    wait_for(process, (here / "begun").exists)
    process.send_signal(number)
    (here / "begun").unlink()
    return ended(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_an_interrupted_audit_leaves_a_partial_report_and_goes_on(
    trained, here, start, run, refused, number
):
    done = interrupted(start, here, NETWORK, number)
    assert_refused(done, "interrupted before: controls", "new/report.html holds what was finished")
    assert list(here.glob("new/auditing-*/audit.safetensors"))
    assert "Partial audit, interrupted before: controls." in (here / "new/report.html").read_text()
    assert not done.out
    again = shlex.split(done.err.split("run the same command again: ")[1])
    assert again == ["mnemoscope", *NETWORK]
    done = run(*again[1:], "--json")
    assert done.code == 0
    assert done.json["partial"] == []
    assert not list(here.glob("new/auditing-*"))
    assert "Partial audit" not in (here / "new/report.html").read_text()


def test_an_interrupted_audit_leaves_a_whole_one(audited, here, start, run):
    before = tree(here)
    # Other settings than those of the audit that is there.
    other = ["audit", "runs/train", *BRIEF, "--seed", "1"]
    done = interrupted(start, here, other)
    assert_refused(done, "interrupted before: controls", "were there stay as they were")
    kept = tree(here)
    assert {path: kept[path] for path in before} == before
    assert run(*other).code == 0
    assert not list(here.glob("runs/train/auditing-*"))


def test_checkpoints_of_another_network_are_given_up(trained, here, start, run):
    interrupted(start, here, NETWORK)
    network = here / "runs/train/network.safetensors"
    tensors = load_file(network)
    first = next(iter(tensors))
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(network, framework="pt") as file:
        metadata = file.metadata()
    save_file({**tensors, first: tensors[first] * 1.001}, network, metadata)
    done = run(*NETWORK, "--json")
    assert done.code == 0
    assert "begins anew" in done.err
    assert "weights" in done.err
    assert done.json["partial"] == []


@pytest.mark.parametrize("options", [["--minutes", "5"], ["--screen"]], ids=lambda o: o[0])
def test_a_planned_audit_and_a_screening_go_on(trained, here, start, run, options):
    arguments = [*NETWORK, *options]
    if options == ["--screen"]:
        arguments = [*NETWORK, "--data", "digits", "-n", "120", *options]
        done = interrupted(start, here, arguments)
        # The cost is printed before anything else.
        assert done.out.startswith("screening 120 examples: ")
        assert done.out.count("\n") == 1
        assert_refused(
            replace(done, out=""), "before: controls (sample)", "new/screen/sample.html holds"
        )
    else:
        # The pilots come first.
        process = start(*arguments, program=["-c", AT_CONTROLS])
        wait_for(process, (here / "begun").exists)
        process.send_signal(signal.SIGINT)
        done = ended(process)
        assert_refused(done, "interrupted")
    done = run(*arguments, "--json")
    assert done.code == 0
    assert done.json["partial"] == []
    assert not list(here.glob("new/auditing-*"))


def test_an_audit_interrupted_at_its_beginning_leaves_nothing(audited, here, start):
    before = tree(here)
    process = start("audit", "runs/train", "--starts", "200000")
    wait_for(process, lambda: list(audited.glob(".writing-*")))
    process.send_signal(signal.SIGINT)
    assert_refused(ended(process), "interrupted")
    kept = tree(here)
    assert {path: kept[path] for path in before} == before
