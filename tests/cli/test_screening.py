"""`audit --screen`: the cost first, an interval for the whole set, the most suspicious apart."""

import json

import numpy as np
import polars as pl
import torch

import mnemoscope as mn
from mnemoscope.results.screen import screen_files

from .conftest import BRIEF, SMALL, tree

QUICK = [*BRIEF, "--max-steps", "300"]


def many(n=106):
    """More examples than are audited: four that the network stores, and noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(n - 4, 1, 8, 8, generator=generator)
    np.save("many.npy", torch.cat([noise, mn.load_data("digits", n=4)]).numpy())


def screen(run, *arguments):
    done = run("audit", *arguments, "--screen", *QUICK)
    assert done.code in (0, 1), done.err
    return done


def test_it_prints_the_cost_first_and_leaves_tables_and_pages(trained, run):
    many()
    done = screen(
        run, trained / "network.safetensors", "--data", "many.npy", "--out", "out",
        "--fail-on", "stored>3", "--fail-on", "stored>50%",
    )  # fmt: skip
    lines = done.out.splitlines()
    assert lines[0].startswith("screening 106 examples: 954 evaluations in batches of 106, about ")
    assert lines[1].startswith("stored: ")
    assert "of a random sample of 100, so " in lines[1]
    assert lines[1].endswith("of all 106 (95%)")
    assert any(
        line.startswith("of the 100 most suspicious, which were selected: 4") for line in lines
    )
    assert "out/screen/sample.html" in lines
    assert "out/screen/suspicious.html" in lines
    # The four digits are the most suspicious: counts are of all that was audited, shares of the
    # sample alone.
    assert done.code == 1
    assert any(line.startswith("stored > 3: 4 of 10") for line in lines)
    assert not any(line.startswith("stored > 50%") for line in lines)
    left = set(tree(trained.parent.parent / "out" / "screen"))
    files = {*screen_files(), "sample.html", "suspicious.html", "sample", "suspicious"}
    assert left == files
    table = pl.read_parquet("out/screen/screen.parquet")
    assert table.filter(pl.col("rank") <= 4)["index"].sort().to_list() == [102, 103, 104, 105]
    result = mn.Screen.load("out/screen")
    assert result.table.equals(table)
    assert result.sample.provenance["data"]["source"].endswith("many.npy")
    page = (trained.parent.parent / "out" / "screen" / "sample.html").read_text()
    assert "a random sample of 100 of 106 examples" in page


def test_beside_an_audit_and_as_json(audited, run):
    before = tree(audited)
    done = screen(run, audited, "--json", "--fail-on", "stored_low>0.9", "--fail-on", "attractors")
    assert done.code == 1
    message = done.json
    assert message["examples"] == 4
    assert message["rates"]["stored"] == {
        "count": 4,
        "total": 4,
        "low": 1.0,
        "high": 1.0,
        "whole": 4,
    }
    assert message["audits"]["sample"]["stored"]["total"] == 4
    assert message["reports"] == [
        f"{audited}/screen/{name}.html" for name in ("sample", "suspicious")
    ]
    assert done.err.startswith("screening 4 examples: 36 evaluations")
    assert done.err.count("\n") == 1
    # The audit that is there stays.
    after = tree(audited)
    assert {name: after[name] for name in before if name != "run.json"} == {
        name: content for name, content in before.items() if name != "run.json"
    }


def test_a_training_of_another_network_removes_the_screening_of_the_one_before(trained, run):
    screen(run, trained)
    assert (trained / "screen" / "screen.json").exists()
    (trained / "screen" / "mine.txt").write_text("mine")
    again = ["train", "digits", "-n", "5", *SMALL, "--out", trained, "--force"]
    assert run(*again).code == 0
    assert set(tree(trained / "screen")) == {"mine.txt"}


def test_what_cannot_be_screened_is_refused(trained, refused):
    refused("audit", "runs/train", "--screen", "--unit", "per-feature", says="per_feature")
    refused("audit", "runs/train", "--screen", "--fail-on", "auc>0.6", says="--holdout")
    np.save("broken.npy", np.full((3, 1, 8, 8), np.nan, dtype=np.float32))
    refused("audit", "runs/train", "--screen", "--data", "broken.npy", "--out", "out")
    assert json.loads((trained / "run.json").read_text())
