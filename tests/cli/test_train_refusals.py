"""`train` refuses bad data, specs, settings and folders in one line, and changes nothing."""

import json
import pickle

import numpy as np
import pytest
import torch

from .conftest import SMALL, TRAIN, assert_refused, pictures, tree


class Trap:
    """Leaves a file if it is ever unpickled."""

    def __reduce__(self):
        return (open, ("executed", "w"))


def cut_array(path):
    np.save(path, np.zeros((3, 4), np.float32))
    path.write_bytes(path.read_bytes()[:-9])


def cut_picture(path):
    pictures(path, 8, 8)
    (path / "1.png").write_bytes((path / "1.png").read_bytes()[:40])


BAD_DATA = {
    "missing.npy": (lambda path: None, "does not exist"),
    "empty.npy": (lambda path: path.write_bytes(b""), "empty"),
    "cut.npy": (cut_array, "cannot be read"),
    "text.npy": (lambda path: path.write_text("hello"), "text.npy"),
    "table.csv": (lambda path: path.write_text("a,b\nx,y\n"), "columns of numbers"),
    "objects.npy": (lambda path: np.save(path, np.array([Trap()])), "never unpickled"),
    "trap.pkl": (lambda path: path.write_bytes(pickle.dumps(Trap())), "a pickle is never read"),
    "trap.pt": (lambda path: torch.save(Trap(), path), "never unpickled"),
    "no pictures": (lambda path: path.mkdir(), "without pictures"),
    "sizes": (lambda path: pictures(path, 8, 8, 9), ["0.png is 8 × 8", "2.png is 9 × 9", "--size"]),
    "cut": (cut_picture, "1.png"),
    "nan.npy": (lambda path: np.save(path, np.float32([[0, 1], [np.nan, 0]])), "in example 1"),
    "inf.npy": (lambda path: np.save(path, np.float32([[0, 1], [np.inf, 0]])), "in example 1"),
    "none.npy": (lambda path: np.save(path, np.zeros((0, 4), np.float32)), "no examples"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_data(here, refused, name):
    make, says = BAD_DATA[name]
    make(here / name)
    refused("train", name, *SMALL, says=says)
    assert not (here / "executed").exists()


def test_data_as_a_process(here, refused, process):
    torch.save(Trap(), here / "trap.pt")
    refused("train", "trap.pt", says="never unpickled", call=process)


def test_size_mends_different_sizes(here, run):
    pictures(here / "sizes", 8, 9)
    assert run("train", "sizes", "--size", "8", *SMALL, "--max-steps", "1").code == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-n 99999", "which has 1797 examples"),
        ("-n 0", "n=0"),
        ("-n -3", "n=-3"),
        ("--offset 1797", "which has 1797 examples"),
        ("--size 0", "size=0"),
        ("-n 4 --channels 8", ["--channels=8", "leave out --channels"]),
        ("-n 4 --net unet --depth 3", "leave out --depth"),
        ("-n 4 --depth 0", ["--depth=0", "change --depth"]),
        ("-n 4 --width -1", "--width=-1"),
        ("-n 4 --activation rleu", "relu"),
        ("-n 4 --init orthogonall", "orthogonall"),
        ("-n 4 --net convolutional --kernel-size 2", "--kernel-size"),
        ("-n 4 --net unet --levels 9", "levels"),
        ("-n 4 --tol 0", "tol=0"),
        ("-n 4 --tol -1", "tol=-1"),
        ("-n 4 --tol nan", "tol=nan"),
        ("-n 4 --lr 0", "lr=0"),
        ("-n 4 --lr inf", "lr=inf"),
        ("-n 4 --batch-size 0", "batch_size=0"),
        ("-n 4 --batch-size 5", "batch_size=5"),
        ("-n 4 --max-steps 0", "max_steps=0"),
        ("-n 4 --seed -1", "seed=-1"),
        ("-n 4 --lr 1e6", ["diverged", "at step 10", "learning rate 1e+06"]),
        ("-n 4 --spec missing.json", "cannot be read"),
    ],
)
def test_options(refused, line, says):
    refused("train", "digits", *line.split(), says=says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be parsed"),
        ("{", "cannot be parsed"),
        ("[1]", "a JSON object"),
        ("{}", "without a kind"),
        ('{"kind": "fully_conected", "shape": [1, 8, 8]}', "did you mean `fully_connected`?"),
        ('{"kind": "fully_connected"}', "no shape"),
        ('{"kind": "fully_connected", "shape": [1, 8, 8], "dept": 3}', "did you mean `depth`?"),
        ('{"kind": "fully_connected", "shape": [1, 8, 8], "depth": 0}', "depth=0"),
        ('{"kind": "fully_connected", "shape": [1, 8, 8], "bias": 2}', "bias=2"),
        ('{"kind": "fully_connected", "shape": [64]}', ["(64,)", "(1, 8, 8)", "one shape"]),
    ],
)
def test_a_spec(here, refused, text, says):
    (here / "spec.json").write_text(text)
    says = [says] if isinstance(says, str) else says
    refused("train", "digits", "--spec", "spec.json", says=["--spec spec.json", *says])


def test_a_spec_that_is_no_text(here, refused):
    (here / "spec.json").write_bytes(b"\xff\xfe\x00")
    refused("train", "digits", "--spec", "spec.json", says="cannot be read")
    refused("train", "digits", "--spec", ".", says="cannot be read")


@pytest.mark.parametrize("option", ["--width=4", "--net=unet", "--no-bias", "--activation=relu"])
def test_a_spec_together_with_its_fields(here, refused, option):
    spec = {"kind": "fully_connected", "shape": [1, 8, 8], "width": 8, "depth": 2}
    (here / "spec.json").write_text(json.dumps(spec))
    refused("train", "digits", "--spec", "spec.json", option, says="together with --")


@pytest.mark.parametrize("out", ["file", "file/below", "file/below/it", "/proc/x/y", "/sys/x"])
def test_a_folder_that_cannot_be_written_to(here, refused, out):
    (here / "file").write_text("mine")
    refused(*TRAIN, "--out", out, says="cannot write to")


@pytest.mark.slow
def test_an_unwritable_folder_as_a_process(refused, process):
    refused(*TRAIN, "--out", "/proc/x", says="cannot write to", call=process)


def test_a_name_that_is_too_long(refused):
    refused(*TRAIN, "--out", "x" * 300, says="too long")
    refused("train", "x" * 300)
    refused("audit", "x" * 300)
    refused("report", "x" * 300)


def test_a_folder_with_foreign_files(here, refused, run):
    (here / "mine").mkdir()
    (here / "mine" / "thesis.tex").write_text("years")
    refused(*TRAIN, "--out", "mine", says=["files that are no run", "--force"])
    assert run(*TRAIN, "--out", "mine", "--force").code == 0
    assert (here / "mine" / "thesis.tex").read_text() == "years"


def test_a_folder_of_another_run(trained, refused):
    refused(*TRAIN, "--seed", "1", says=["another run", "--force"])


def test_a_run_whose_index_is_damaged(trained, refused, run):
    (trained / "run.json").write_text('{"format": "mnemoscope-run/1", "settings": []}')
    refused(*TRAIN, says="files that are no run")
    assert run(*TRAIN, "--force").code == 0


@pytest.mark.parametrize("fault", [["--lr", "1e6"], ["--tol", "0"], ["--batch-size", "9"]])
def test_with_force_nothing_is_lost_to_a_run_that_fails(audited, refused, fault):
    refused(*TRAIN, "--force", *fault)


def test_the_next_try_after_a_divergence_is_not_blocked(here, run):
    assert_refused(run(*TRAIN, "--lr", "1e6"), "diverged")
    assert run(*TRAIN).code == 0


def test_a_damaged_checkpoint_is_named(here, run, monkeypatch):
    from mnemoscope.cli.run_folder import RunFolder

    assert run(*TRAIN).code == 0
    settings = json.loads((here / "runs/train/run.json").read_text())["settings"]
    checkpoint = RunFolder(here / "runs/train", settings).checkpoint
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"half of i")
    before = tree(here)
    assert_refused(run(*TRAIN), checkpoint.name, "remove it to start anew")
    kept = tree(here)
    assert {path: kept[path] for path in before} == before
