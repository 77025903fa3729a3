"""The command line as a user has it: a folder, commands typed there, what they print and leave."""

import dataclasses
import hashlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnemoscope.cli import main
from mnemoscope.cli.app import app

ROOT = Path(__file__).parents[2]

FORKS = str(ROOT / "tests/forks.py")

SMALL = ["--width", "48", "--depth", "3", "--activation", "sigmoid"]
TRAIN = ["train", "digits", "-n", "4", *SMALL]
BRIEF = ["--starts", "20", "--trials", "1"]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def tree(folder):
    """Every file with its content's hash, and every folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def options_of(command):
    """The command's parameters, and instead of a group of options those of the group."""
    for name, parameter in inspect.signature(command).parameters.items():
        group = typing.get_args(parameter.annotation)[:1] or (parameter.annotation,)
        if dataclasses.is_dataclass(group[0]):
            yield from inspect.signature(group[0]).parameters.items()
        else:
            yield name, parameter


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """A command in this process."""

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        return Done(int(exit.value.code), *capsys.readouterr())

    return call


@pytest.fixture
def wide(monkeypatch):
    """A terminal on which no line of a help is broken."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(app.console, "_width", 300)


@pytest.fixture
def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    """The address of a server of processes that have the libraries already."""
    # An address of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        address = f"{folder}/forks"
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", "serve", address],
            cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert server.stdout.readline() == "ready\n"
        yield address
        server.stdin.close()
        server.wait(timeout=60)


@pytest.fixture
def start(here, environment, request):
    """A command as a process of its own, not waited for.

    It is forked from one that has the libraries, see `tests/forks.py`; `anew`: it imports them.
    """
    started = []

    def call(*arguments, program=("-m", "mnemoscope"), anew=False, **options):
        options = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "cwd": here,
            "env": environment,
        } | options
        python = [sys.executable]
        if not anew:
            python += ["-SE", FORKS, request.getfixturevalue("forks")]
        process = subprocess.Popen([*python, *program, *map(str, arguments)], **options)
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def process(start):
    """A command as a process of its own."""

    def call(*arguments, **options):
        done = start(*arguments, **options)
        out, err = done.communicate(timeout=600)
        return Done(done.returncode, out, err)

    return call


def assert_refused(done, *words):
    """One line that says three things, and nothing else."""
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("mnemoscope: ")
    assert done.err.count("\n") == 1
    assert done.err.endswith("\n")
    given, rest = done.err.split("; expected ", 1)
    expected, todo = rest.split("; ", 1)
    assert given
    assert expected
    assert todo.strip()
    for word in words:
        assert word in done.err


@pytest.fixture
def refused(here, run):
    """Whether a command is refused in one line and leaves everything as it was."""

    def check(*arguments, says=(), call=run):
        before = tree(here)
        done = call(*arguments)
        assert_refused(done, *([says] if isinstance(says, str) else says))
        assert tree(here) == before
        return done.err

    return check


def in_folder(folder, arguments):
    before = os.getcwd()
    os.chdir(folder)
    try:
        with pytest.raises(SystemExit) as exit:
            main(arguments)
    finally:
        os.chdir(before)
    assert exit.value.code == 0


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    in_folder(folder, TRAIN)
    return folder / "runs" / "train"


@pytest.fixture(scope="session")
def audited_once(tmp_path_factory, trained_once):
    folder = tmp_path_factory.mktemp("audited")
    shutil.copytree(trained_once, folder / "runs" / "train")
    in_folder(folder, ["audit", "runs/train", *BRIEF])
    return folder / "runs" / "train"


@pytest.fixture
def trained(here, trained_once):
    """runs/train, with a network that interpolates four digits."""
    return shutil.copytree(trained_once, here / "runs" / "train")


@pytest.fixture
def audited(here, audited_once):
    """runs/train, with a network and its audit."""
    return shutil.copytree(audited_once, here / "runs" / "train")


def pictures(folder, *sizes, seed=0, mode="L"):
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for number, size in enumerate(sizes):
        depth = () if mode == "L" else (3,)
        pixels = draw.integers(0, 256, (size, size, *depth), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder
