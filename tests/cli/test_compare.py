"""`compare` sets two audits side by side, prints a table, writes a page if asked, or refuses."""

import dataclasses
import json
import shutil

import polars as pl
import pytest

import mnemoscope as mn
from mnemoscope.base.stats import Rate


@pytest.fixture
def two(audited):
    """A run, and the same with an audit in which two of four examples are no longer stored."""
    other = shutil.copytree(audited, audited.parent / "other")
    audit = mn.Audit.load(other / "audit")
    stored = audit.summary.stored
    dataclasses.replace(
        audit.with_summary(stored=Rate.of(stored.count - 2, stored.total)),
        examples=audit.examples.with_columns(stored=pl.col("stored") & (pl.col("index") > 1)),
    ).save(other / "audit")
    return audited, other


def test_a_table_for_a_reader(two, run, here):
    done = run("compare", "runs/train", "runs/other")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("Fewer training examples are stored after (2 of 4) than before (4")
    assert any(line.startswith("examples stored") and "−50.0" in line for line in lines)
    assert lines[1].startswith("before: All 4 training examples are stored")
    assert lines[-1] == "no longer stored: 0 and 1"
    assert not list(here.glob("*.html"))


def test_a_page(two, run, here):
    done = run("compare", "runs/train/audit", "runs/other", "--out", "pages/compare.html")
    assert done.code == 0
    assert done.out.endswith("\npages/compare.html\n")
    page = (here / "pages/compare.html").read_text()
    assert page.count("data-example=") == 2
    assert not list(here.rglob(".*"))


def test_for_programs(two, run):
    message = run("compare", "runs/train", "runs/other", "--json").json
    assert message["same_data"] is True
    assert message["warnings"] == []
    assert message["worse"] == []
    assert message["page"] is None
    stored = next(row for row in message["measures"] if row["measure"] == "examples stored")
    assert (stored["before"], stored["after"], stored["difference"]) == (1.0, 0.5, -0.5)
    assert [row["change"] for row in message["examples"]][:2] == ["no longer stored"] * 2


def test_it_fails_on_worse_only_if_it_is_and_is_asked_to(two, run):
    worse = ("compare", "runs/other", "runs/train")
    assert run(*worse).code == 0
    assert run(*worse, "--fail-on-worse").code == 1
    assert "worse" in run(*worse).out
    assert run("compare", "runs/train", "runs/other", "--fail-on-worse").code == 0


def test_other_settings_are_reported(audited, run):
    audit = mn.Audit.load(audited / "audit")
    settings = {**audit.provenance["settings"], "starts": 25}
    other = dataclasses.replace(audit, provenance={**audit.provenance, "settings": settings})
    other.save("other")
    assert "starts (20 before, 25 after)" in run("compare", "runs/train", "other").out


@pytest.mark.parametrize("name", ["missing", ".", "runs/train/network.safetensors"])
def test_what_is_no_audit(audited, refused, name):
    refused("compare", "runs/train", name)
    refused("compare", name, "runs/train")


def test_a_run_without_an_audit(trained, refused):
    refused("compare", "runs/train", "runs/train", says="no audit in")


@pytest.mark.parametrize(
    "change", [{"summary": {}}, {"summary": []}, {"provenance": 3}, {"summary": {"stored": 3}}]
)
def test_an_audit_whose_index_lacks_something(audited, refused, change):
    path = audited / "audit" / "audit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused("compare", "runs/train", "runs/train", says="audit again")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("folder.html", "is a folder"),
        ("folder", "a page"),
        ("file/below.html", "cannot write to"),
        ("", "an empty path"),
    ],
)
def test_places_that_cannot_be_written_to(audited, here, refused, place, says):
    for name in ("folder", "folder.html"):
        (here / name).mkdir()
    (here / "file").write_text("mine")
    refused("compare", "runs/train", "runs/train", "--out", place, says=says)
