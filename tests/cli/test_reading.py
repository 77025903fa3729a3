"""The rule that a run's data were read by is recorded, and held-out data are read by it too."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import mnemoscope as mn
from mnemoscope.cli.reading import read_held_out
from mnemoscope.data.load import read_examples
from mnemoscope.maps.adapters.load import Opened
from mnemoscope.maps.wrapped import Wrapped
from mnemoscope.nets import load
from tests.cli.conftest import BRIEF, SMALL

RNG = np.random.default_rng(0)
GRADES = RNG.integers(0, 17, (4, 1, 4, 4)).astype(np.int64)
BRIGHT = RNG.integers(0, 256, (4, 1, 4, 4), dtype=np.uint8)
DARK = RNG.integers(0, 100, (4, 1, 4, 4), dtype=np.uint8)
QUICK = ["--max-steps", "30"]


def recorded(folder):
    return json.loads((folder / "run.json").read_text())["settings"]["data"]


@pytest.mark.parametrize(
    ("array", "rule", "scale"), [(GRADES, "keep", 1), (BRIGHT, "divide", 255), (DARK, "keep", 1)]
)
def test_a_run_records_the_rule_and_reads_its_data_by_it_again(here, run, array, rule, scale):
    np.save("x.npy", array)
    done = run("train", "x.npy", *SMALL, *QUICK, "--out", "r")
    assert done.code == 0, done.err
    assert recorded(here / "r")["scale"] == rule
    assert load("r/network.safetensors").training_record.source["scale"] == rule
    # The same numbers under a rule of their own: only the record says how they were read.
    done = run("audit", "r", *BRIEF)
    assert done.code == 0, done.err
    audit = mn.Audit.load("r/audit")
    assert audit.provenance["data"]["scale"] == rule
    X = mn.load_data("x.npy")
    np.testing.assert_allclose(X.numpy(), array / scale, rtol=1e-6)


def test_what_is_typed_goes_before_the_rule(here, run):
    np.save("x.npy", BRIGHT)
    done = run("train", "x.npy", "--data-scale", "keep", *SMALL, *QUICK, "--out", "r")
    assert done.code == 0, done.err
    assert recorded(here / "r")["scale"] == "keep"
    assert run("audit", "r", *BRIEF).code == 0


@pytest.mark.parametrize(
    ("trained", "fresh", "scale"),
    [
        (BRIGHT, DARK, 255),
        (BRIGHT, GRADES, 255),
        (GRADES.astype(np.uint8), BRIGHT, 1),
        (GRADES, BRIGHT.astype(np.uint16), 1),
        (BRIGHT / np.float32(255), DARK, 1),
    ],
)
def test_held_out_arrays_are_read_by_the_rule_of_the_data(here, trained, fresh, scale):
    np.save("fresh.npy", fresh)
    found = read_held_out("fresh.npy", (1, 4, 4), read_examples(trained))
    np.testing.assert_allclose(found.numpy(), fresh / scale, rtol=1e-6)


@pytest.mark.parametrize("rule", ["keep", "divide"])
def test_held_out_pictures_are_read_by_the_rule_of_the_data(here, rule):
    (here / "fresh").mkdir()
    Image.fromarray(DARK[0, 0]).save("fresh/a.png")
    Image.fromarray(DARK[1, 0]).save("fresh/b.tif", save_all=True)
    trained = read_examples(GRADES if rule == "keep" else BRIGHT)
    for place in ("fresh", "fresh/a.png"):
        found = read_held_out(place, (1, 4, 4), trained)
        wanted = DARK[: len(found)] / (1 if rule == "keep" else 255)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_a_fresh_array_may_have_no_such_column(here):
    np.savez("x.npz", faces=np.float32(BRIGHT / 255), other=np.zeros(3))
    trained = read_examples("x.npz", reading=mn.data.reading.Reading(key="faces"))
    assert trained.record == {"key": "faces"}
    np.save("fresh.npy", np.float32(DARK / 255))
    assert len(read_held_out("fresh.npy", (1, 4, 4), trained)) == 4
    np.savez("fresh.npz", faces=np.float32(DARK / 255), X=np.zeros((2, 3)))
    assert len(read_held_out("fresh.npz", (1, 4, 4), trained)) == 4


def test_integers_that_the_rule_of_the_data_cannot_read(here):
    np.save("fresh.npy", np.full((2, 1, 4, 4), 4095))
    with pytest.raises(mn.MnemoscopeError, match=r"--held-out fresh.npy.*0 to 255"):
        read_held_out("fresh.npy", (1, 4, 4), read_examples(BRIGHT))


def test_a_key_is_recorded(here, run):
    np.savez("x.npz", X=GRADES, faces=np.float32(BRIGHT / 255))
    done = run("train", "x.npz", "--key", "faces", *SMALL, *QUICK, "--out", "r")
    assert done.code == 0, done.err
    assert recorded(here / "r")["key"] == "faces"
    done = run("audit", "r", *BRIEF)
    assert done.code == 0, done.err


@pytest.mark.parametrize("command", ["audit", "extract"])
@pytest.mark.parametrize(
    "option", [["--column", "x"], ["--data-scale", "keep"], ["--alpha", "white"]]
)
def test_options_of_data_without_data(here, run, command, option):
    np.save("x.npy", GRADES)
    assert run("train", "x.npy", *SMALL, *QUICK, "--out", "r").code == 0
    done = run(command, "r", *option)
    assert done.code == 2
    assert f"{option[0]} without --data" in done.err


def test_starts_of_an_extraction_are_read_by_the_rule_of_the_data(here, run):
    np.save("x.npy", BRIGHT)
    np.save("starts.npy", DARK)
    assert run("train", "x.npy", *SMALL, *QUICK, "--out", "r").code == 0
    few = ["--starts", "4", "--limit", "8", "--starts-from", "starts.npy"]
    done = run("extract", "r", "--data", "x.npy", *few, "--out", "e")
    assert done.code == 0, done.err
    assert pl.read_csv("e/scores.csv") is not None


@pytest.mark.parametrize("dtype", [np.longdouble, ">f4", "<f2"])
def test_starts_in_a_dtype_that_pytorch_does_not_have(here, run, dtype):
    np.save("x.npy", BRIGHT)
    np.save("starts.npy", (DARK / 255).astype(dtype))
    assert run("train", "x.npy", *SMALL, *QUICK, "--out", "r").code == 0
    few = ["--starts", "4", "--limit", "8", "--starts-from", "starts.npy"]
    done = run("extract", "r", "--data", "x.npy", *few, "--out", "e")
    assert done.code == 0, done.err


def test_a_denoiser_on_the_command_line(here, run):
    (here / "tiny_denoiser.py").write_text(
        "import torch\n"
        "def net():\n"
        "    centre = torch.full((1, 2, 2), .5)\n"
        "    state = lambda y: centre * .8 ** .5 + .1 * (y - centre * .8 ** .5)\n"
        "    return lambda z, t: (z - .8 ** .5 * state(z)) / .2 ** .5\n"
    )
    np.save("x.npy", np.full((2, 1, 2, 2), [[[[0.5]]], [[[0.25]]]], dtype=np.float32))
    np.save("schedule.npy", np.array([1.0, 0.9, 0.8]))
    base = ["audit", "tiny_denoiser:net", "--data", "x.npy", "--noise-level", "2", *BRIEF]
    done = run(*base, "--out", "a")
    assert done.code == 2
    assert "--predicts noise" in done.err
    for schedule in ("0.8", "schedule.npy"):
        message = ["--predicts", "noise", "--alpha-bar", schedule]
        done = run(*base, *message, "--out", f"b{schedule}")
        assert done.code == 0, done.err
        # The estimate of the state from a z is x = a c + (a z - a c) / 10: a slope of a / 10.
        radius = mn.Audit.load(f"b{schedule}/audit").examples["spectral_radius"].to_list()
        assert radius == pytest.approx([0.1 * 0.8**0.5] * 2, rel=1e-4)
        # The run keeps what was said.
        assert run("audit", f"b{schedule}", *BRIEF).code == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--predicts", "noise"], "without the share of the noise"),
        (["--alpha-bar", "0.5"], "not said to predict"),
        (["--predicts", "noise", "--alpha-bar", "half"], '--alpha-bar "half"'),
        (["--predicts", "score"], "score"),
    ],
)
def test_what_a_denoiser_cannot_be_said_to_predict(here, run, options, says):
    np.save("x.npy", np.zeros((2, 4), dtype=np.float32))
    done = run("audit", "torch.nn:Identity", "--data", "x.npy", *options)
    assert done.code == 2
    assert says in done.err


SERIES = RNG.random((4, 10, 3), dtype=np.float32)


def test_a_series_is_audited_in_its_own_shape(here, run):
    (here / "windows.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def net():\n"
        "    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))\n"
    )
    np.save("x.npy", SERIES)
    done = run("audit", "windows:net", "--data", "x.npy", *BRIEF, "--out", "a")
    assert done.code == 0, done.err
    assert "Data: 4 examples of shape (10, 3), numbers from 0.0" in done.out
    assert mn.Audit.load("a/audit").pictures["examples"].shape[1:] == (10, 3)


def test_data_are_brought_to_the_shape_of_a_model(here, run):
    (here / "pictures.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def net():\n"
        "    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())\n"
    )
    np.save("last.npy", RNG.random((3, 6, 5, 3), dtype=np.float32))
    np.save("fresh.npy", RNG.random((3, 6, 5, 3), dtype=np.float32))
    base = ["audit", "pictures:net", "--data", "last.npy", "--holdout", "fresh.npy", *BRIEF]
    done = run(*base, "--out", "a")
    assert done.code == 0, done.err
    assert "shape (3, 6, 5)" in done.out
    assert "the channels were moved first" in done.out
    done = run("audit", "pictures:net", "--data", "last.npy", "--shape", "5,3,6", *BRIEF)
    assert done.code == 2
    assert "(5, 3, 6)" in done.err


def test_a_convolutional_network_takes_pictures_without_a_channel_axis(here, run):
    np.save("x.npy", RNG.random((3, 6, 6), dtype=np.float32))
    small = ["--net", "convolutional", "--channels", "4", "--depth", "2", *QUICK]
    done = run("train", "x.npy", *small, "--out", "r")
    assert done.code == 0, done.err
    assert load("r/network.safetensors").spec.shape == (1, 6, 6)
    done = run("audit", "r", *BRIEF)
    assert done.code == 0, done.err


def test_data_outside_of_the_range_of_a_scale_that_is_only_known_for_0_to_1():
    inside, outside = torch.rand(3, 4), torch.rand(3, 4) * 2 - 1
    known = Wrapped(torch.nn.Tanh(), scale=(-1, 1))
    known.assumed = True
    opened = Opened("it", "scaled", known, (4,), "cpu")
    opened.refuse_range(inside)
    with pytest.raises(mn.MnemoscopeError, match=r"--scale 0,1"):
        opened.refuse_range(outside)
    with pytest.raises(mn.MnemoscopeError, match=r"values from -1 to 1"):
        mn.audit(known, outside, starts=5, trials=1)
    named = Wrapped(torch.nn.Tanh(), scale=(0, 1))
    # Orbits of tanh creep to 0: they are cut short.
    brief = mn.AuditOptions.of(starts=5, trials=1, max_steps=20)
    assert mn.audit(named, outside, brief).examples.height == 3


def test_what_is_taken_of_a_file_of_several_arrays_is_printed_and_recorded(here, run):
    np.savez("keras.npz", x_train=SERIES[:3, 0], x_test=SERIES[3:, 0], y_train=np.arange(3))
    done = run("train", "keras.npz", *SMALL, *QUICK, "--out", "r")
    assert done.code == 0, done.err
    assert "split train, key x_train" in done.out
    assert recorded(here / "r")["key"] == "x_train"
    done = run("train", "keras.npz", "--split", "test", *SMALL, *QUICK, "--out", "s")
    assert done.code == 0, done.err
    assert recorded(here / "s")["key"] == "x_test"
    done = run("train", "keras.npz", "--key", "z", *SMALL, *QUICK, "--out", "t")
    assert done.code == 2
    assert "x_train, x_test, y_train" in done.err
    done = run("train", "keras.npz", "--data-scale", "9,1", *SMALL, *QUICK, "--out", "t")
    assert done.code == 2
    assert "the lower one first" in done.err
