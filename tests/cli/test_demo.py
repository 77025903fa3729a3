"""`demo` shows memorization of real pictures, from nothing to a page."""

from dataclasses import asdict

import pytest

import mnemoscope as mn
from mnemoscope.cli.demo import RECIPES
from mnemoscope.cli.run_folder import FORMAT


def test_a_folder_that_is_not_its_own(here, refused):
    (here / "mine").mkdir()
    (here / "mine" / "notes").write_text(FORMAT)
    refused("demo", "--out", "mine", says="files that are no run")


@pytest.mark.slow
def test_it_stores_its_photos(here, process):
    done = process("demo", "--json", anew=True)
    assert (done.code, done.err) == (0, "")
    summary = done.json
    assert summary["interpolated"]
    assert summary["examples"] == RECIPES["photos"].data["n"]
    assert summary["stored"]["count"] == summary["examples"]
    network = mn.nets.load(here / "runs/demo/network.safetensors")
    assert network.spec.depth == RECIPES["photos"].spec["depth"]
    saved = mn.Audit.load(here / "runs/demo/audit").summary.stored
    assert asdict(saved) == summary["stored"]
    assert (here / "runs/demo/report.html").stat().st_size > 10_000
