"""What goes to standard output and standard error, and where nothing goes."""

import os
import pty
import subprocess
import sys

import pytest

from .conftest import BRIEF, TRAIN


@pytest.mark.parametrize("line", ["--help", "train --help"])
def test_a_pipe_that_closes_early_is_quiet(start, line):
    reading, writing = os.pipe()
    os.close(reading)
    done = start(*line.split(), stdout=writing, anew=True)
    os.close(writing)
    assert done.communicate(timeout=600)[1] == ""
    assert done.returncode == 0


def test_a_closed_pipe_does_not_hide_a_finding(trained, start):
    reading, writing = os.pipe()
    os.close(reading)
    done = start("audit", "runs/train", *BRIEF, "--fail-on", "stored", stdout=writing)
    os.close(writing)
    assert done.communicate(timeout=600)[1] == ""
    assert done.returncode == 1


def test_a_full_disk_behind_standard_output(start):
    with open("/dev/full", "w") as full:
        done = start("train", "--help", stdout=full, anew=True)
        err = done.communicate(timeout=600)[1]
    assert done.returncode == 2
    assert err.count("\n") == 1
    assert "No space left on device" in err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream(here, environment, stream):
    number = {"stdout": 1, "stderr": 2}[stream]
    line = f"{sys.executable} -m mnemoscope train --help {number}>&-"
    assert subprocess.run(["sh", "-c", line], cwd=here, env=environment).returncode == 0


def test_an_encoding_without_the_characters(start, environment):
    ascii = environment | {"PYTHONIOENCODING": "ascii"}
    done = start("train", "--help", env=ascii, anew=True)
    out, err = done.communicate(timeout=600)
    assert (done.returncode, err) == (0, "")
    assert "--width" in out


def test_progress_is_for_terminals(here, start, environment):
    ours, theirs = pty.openpty()
    done = start(*TRAIN, stderr=theirs, env=environment | {"TERM": "xterm"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert done.wait(timeout=600) == 0
    assert b"training" in shown
    assert b"loss" in shown
