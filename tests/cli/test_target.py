"""Models that mnemoscope did not train, from the command line."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.cli.target import byte_count
from tests.cli.conftest import BRIEF

MINE = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        layers = nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 64)
        self.body = nn.Sequential(*layers)

    def forward(self, z):
        return {"sample": self.body(z).reshape(z.shape), "loss": 0}

class Plain(Mine):
    def forward(self, z):
        return super().forward(z)["sample"]

def sampling():
    return lambda z: z + torch.randn_like(z)

def broken():
    return lambda z: z / 0

def flat():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 64))

def one_at_a_time():
    inner = Plain()
    def f(z):
        assert len(z) == 1
        return inner(z)
    return f

def nearby():
    import mnemoscope as mn
    c = mn.load_data("digits", n=1) + 0.0115
    return lambda z: c + (z - c) / 2

def counts():
    def f(z):
        if (z < 0).any():
            raise ValueError("counts are not negative")
        return z / 2
    return f
"""


@pytest.fixture
def mine(here):
    (here / "mine.py").write_text(MINE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 64))
    torch.save({f"body.{k}": v for k, v in body.state_dict().items()}, here / "w.pt")
    return here


FACTORY = [
    "mine:Mine",
    "--weights",
    "w.pt",
    "--factory-args",
    '{"width": 24}',
    "--output",
    "sample",
]
DIGITS = ["--data", "digits", "-n", "4"]


def test_a_factory_is_audited_and_audited_again(mine, run):
    done = run("audit", *FACTORY, *DIGITS, *BRIEF, "--json")
    assert done.err == ""
    assert done.json["report"] == "runs/Mine/report.html"
    assert done.json["schema"] == "mnemoscope-report/2"
    # The run knows how the model is to be loaded, and from what.
    again = run("audit", "runs/Mine", *BRIEF, "--json")
    assert again.code == 0
    assert again.json["verdict"] == done.json["verdict"]
    settings = json.loads((mine / "runs/Mine/run.json").read_text())["settings"]
    assert settings["audited"] == "mine:Mine"
    assert settings["map"] == {
        "weights": "w.pt", "factory_args": '{"width": 24}', "output": "sample",
    }  # fmt: skip


def test_flat_states_and_single_ones_are_recorded_and_resumed(mine, run):
    done = run("audit", "mine:flat", *DIGITS, *BRIEF)
    assert done.code == 2
    assert "--flatten" in done.err
    options = ["--flatten", "--shape", "1,8,8", "--fixed-batch", "1"]
    done = run("audit", "mine:flat", *options, *DIGITS, *BRIEF, "--json")
    assert done.code == 0, done.err
    settings = json.loads((mine / "runs/flat/run.json").read_text())["settings"]
    assert settings["map"] == {"flatten": True, "shape": "1,8,8", "fixed_batch": 1}
    again = run("audit", "runs/flat", *BRIEF, "--json")
    assert again.code == 0, again.err
    assert again.json["verdict"] == done.json["verdict"]
    assert again.json["summary"]["derivatives"]["way"] == "reverse mode"


def test_a_model_that_takes_one_state_at_a_time(mine, run):
    assert run("audit", "mine:one_at_a_time", *DIGITS, *BRIEF).code == 2
    brief = ["--starts", "4", "--trials", "1", "--max-steps", "20"]
    done = run("audit", "mine:one_at_a_time", "--fixed-batch", "1", *DIGITS, *brief, "--json")
    assert done.code == 0, done.err


def test_a_damaged_batch_size_in_a_run(mine, run):
    brief = ["--starts", "4", "--trials", "1", "--max-steps", "20", "--fixed-batch", "2"]
    assert run("audit", "mine:Plain", *DIGITS, *brief).code == 0
    path = mine / "runs/Plain/run.json"
    index = json.loads(path.read_text())
    for wrong in ("3", 0, -1, True, 1.5, None):
        index["settings"]["map"]["fixed_batch"] = wrong
        path.write_text(json.dumps(index))
        done = run("audit", "runs/Plain", *BRIEF)
        assert done.code == 2, wrong
        assert "fixed_batch" in done.err


def test_the_size_that_a_vae_was_made_for_is_only_a_default(here, run):
    diffusers = pytest.importorskip("diffusers")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = diffusers.AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, sample_size=32)
    model.save_pretrained(here / "vae")
    np.save(here / "X.npy", np.random.default_rng(0).random((2, 3, 8, 8), dtype=np.float32))
    done = run(
        "audit", "vae", "--data", "X.npy", "--starts", "2", "--trials", "1",
        "--max-steps", "20", "--max-products", "40", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    done = run("audit", "vae", "--shape", "3,16,16", "--data", "X.npy", *BRIEF, "--out", "two")
    assert done.code == 2
    assert "(3, 16, 16)" in done.err


def test_an_exported_program_gives_the_same_answers(mine, run, monkeypatch):
    monkeypatch.syspath_prepend(str(mine))
    import importlib

    module = importlib.import_module("mine")
    net = module.Plain().eval()
    net.load_state_dict(torch.load("w.pt"))
    dim = torch.export.Dim("n", min=1, max=4096)
    program = torch.export.export(net, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: dim},))
    torch.export.save(program, "net.pt2")
    one = run("audit", "net.pt2", *DIGITS, *BRIEF, "--json").json
    two = run("audit", *FACTORY, *DIGITS, *BRIEF, "--out", "two", "--json").json
    assert one["verdict"] == two["verdict"]
    assert one["attractors"] == two["attractors"]


def test_extraction_of_any_model(mine, run):
    done = run("extract", *FACTORY, "--starts", "10", "--limit", "100", "--out", "out")
    assert done.code == 2
    assert "--shape 3,32,32" in done.err
    done = run(
        "extract", *FACTORY, "--shape", "1,8,8", "--starts", "10", "--limit", "100", "--out", "out"
    )
    assert done.code == 0
    assert (mine / "out" / "table.csv").exists()


def test_the_tolerance_of_a_match(mine, run, refused):
    one = ["--data", "digits", "-n", "1"]
    done = run("audit", "mine:nearby", *one, *BRIEF, "--json")
    assert done.json["stored"]["count"] == 0
    assert done.json["nearest_spurious"]["distance"] == pytest.approx(0.0115 / 0.9375, rel=1e-3)
    done = run("audit", "mine:nearby", *one, *BRIEF, "--match-tol", "0.02", "--json")
    assert done.json["stored"]["count"] == 1
    assert done.json["provenance"]["settings"]["match_tol"] == 0.02
    extract = ["extract", "mine:nearby", "--shape", "1,8,8", "--limit", "2000"]
    counts = [
        run(*extract, *one, *more, "--force", "--json").json["score"]
        for more in ([], ["--match-tol", "0.02"])
    ]
    assert [score["recall"]["count"] for score in counts] == [0, 1]
    assert [score["match_tol"] for score in counts] == [0.01, 0.02]
    refused(*extract, "--match-tol", "0.02", says="--match-tol without --data")


def test_maps_of_some_states_only(mine, run):
    done = run("audit", "mine:counts", *DIGITS, *BRIEF, "--json")
    assert done.code == 0, done.err
    assert done.json["left_domain"]["count"] > 0
    assert done.json["domain"]["refused"] == "ValueError: counts are not negative"
    done = run("audit", "mine:counts", "--domain", "0,", *DIGITS, *BRIEF, "--force", "--json")
    assert done.code == 0, done.err
    assert done.json["left_domain"]["count"] == 0
    assert done.json["domain"] == {"low": 0, "high": None, "refused": None}
    written = json.loads((mine / "runs" / "counts" / "run.json").read_text())
    assert written["settings"]["map"]["domain"] == "0,"
    # The run is audited again with the domain that it was given.
    again = run("audit", "runs/counts", *BRIEF, "--json")
    assert again.json["domain"]["low"] == 0
    done = run("extract", "mine:counts", "--domain=-inf,inf", "--shape", "6", "--limit", "2000")
    assert done.code == 0, done.err


def test_held_out_data_tell_of_membership(mine, run):
    done = run("audit", "mine:Plain", *DIGITS, *BRIEF, "--holdout", "digits", "--json")
    assert done.json["membership"]["held_out"] == 1793
    assert done.json["controls"]["held_out"]["stored"]["total"] == 100


def test_conditions_for_continuous_integration(trained, run):
    audit = ["audit", "runs/train", *BRIEF]
    assert run(*audit, "--fail-on", "stored>0").code == 1
    assert run(*audit, "--fail-on", "stored>4").code == 0
    done = run(*audit, "--fail-on", "stored>4", "--fail-on", "certified>0,spurious>99")
    assert done.code == 1
    assert "certified > 0: 4" in done.out


REFUSED = [
    (["mine:sampling", *DIGITS], "a deterministic map"),
    (["mine:broken", *DIGITS], "NaN or infinity"),
    (["mine:Mine", *DIGITS], "--output sample"),
    (["mine:Mine", "--output", "picture", *DIGITS], "'picture'"),
    (["mine:Nothing", *DIGITS], "check both names"),
    (["mine:Plain"], "--data"),
    (["mine:Plain", "--weights", "nothing.pt", *DIGITS], "cannot read"),
    (["mine:Plain", "--weights", "w.pt", "--factory-args", '{"width": 3}', *DIGITS], "instead of"),
    (["mine:Plain", "--factory-args", "[1]", *DIGITS], "a JSON object"),
    (["mine:Plain", "--factory-args", "{", *DIGITS], "a JSON object"),
    (["mine:Plain", "--shape", "1,8,x", *DIGITS], "--shape 3,32,32"),
    (["mine:Plain", "--shape", "1,8,0", *DIGITS], "--shape 3,32,32"),
    (["mine:Plain", "--shape", "1,4,16", *DIGITS], "(1, 4, 16)"),
    (["mine:Plain", "--fixed-batch", "0", *DIGITS], "fixed_batch=0"),
    (["mine:flat", *DIGITS], "mn.Wrapped(model, flatten=True), --flatten"),
    (["mine:Plain", "--scale=1,-1", *DIGITS], "lower one first"),
    (["mine:Plain", "--scale", "x", *DIGITS], "--scale=-1,1"),
    (["mine:Plain", "--match-tol", "0", *DIGITS], "--match-tol=0"),
    (["mine:Plain", "--match-tol", "nan", *DIGITS], "above 0"),
    (["mine:Plain", "--domain", "1,0", *DIGITS], "the lower one first"),
    (["mine:Plain", "--domain", "0", *DIGITS], "--domain=0,1"),
    (["mine:Plain", "--domain", "0,nan", *DIGITS], "the lower one first"),
    (["mine:counts", "--domain", "0.5,", *DIGITS], "example 0, whose entries"),
    (["mine:Plain", "--budget", "4XB", *DIGITS], "4GiB"),
    (["mine:Plain", "--budget", "100B", *DIGITS], "one state takes"),
    (["mine:Plain", "--adapter", "nothing", *DIGITS], "one of"),
    (["mine:Plain", *DIGITS, "--fail-on", "auc>0.6"], "--holdout"),
    (["mine:Plain", *DIGITS, "--fail-on", "strored>0"], "stored"),
    (["w.pt", *DIGITS], "package.module:factory"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_one_line_and_nothing_lost(mine, refused, arguments, says):
    refused("audit", *arguments, *BRIEF, says=says)


@pytest.mark.parametrize(
    ("text", "number"),
    [("4GiB", 4 * 2**30), ("500MB", 5 * 10**8), ("1.5 kib", 1536), ("12", 12), ("3G", 3 * 10**9)],
)
def test_amounts_of_memory(text, number):
    assert byte_count(text) == number


@pytest.mark.parametrize("text", ["", "GiB", "0", "-1GiB", "1.2.3G", "4 TiB"])
def test_no_amounts(text):
    with pytest.raises(MnemoscopeError):
        byte_count(text)


def test_data_are_brought_to_the_size_that_the_model_tells(here, run):
    diffusers = pytest.importorskip("diffusers")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = diffusers.AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, sample_size=8)
    model.save_pretrained(here / "vae")
    done = run(
        "audit", "vae", "--data", "photos", "-n", "2", "--starts", "2", "--trials", "1",
        "--max-steps", "20", "--max-products", "40", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.err == ""
    assert done.json["provenance"]["data"]["size"] == 8
    assert np.isfinite(done.json["loss"])
