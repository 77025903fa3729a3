"""`report` draws an audit's page and charts again, or changes nothing."""

import json

import pytest

from .conftest import TRAIN


def test_the_page_again(audited, process):
    before = (audited / "report.html").read_bytes()
    (audited / "report.html").unlink()
    done = process("report", "runs/train")
    assert (done.code, done.err, done.out) == (0, "", "runs/train/report.html\n")
    assert (audited / "report.html").read_bytes() == before


@pytest.mark.parametrize("format", ["svg", "html"])
def test_charts_as_files(audited, here, run, format):
    done = run("report", "runs/train", "--charts", "my charts", "--format", format, "--json")
    assert done.code == 0
    assert done.err == ""
    assert all((here / path).exists() for path in done.json["written"])
    assert "my charts/spectrum." + format in done.json["written"]
    assert not list(here.rglob(".*"))


def test_an_audits_own_folder(audited, here, run):
    assert run("report", "runs/train/audit", "--out", "página.html").code == 0
    assert (here / "página.html").exists()


def test_a_run_without_an_audit(trained, refused):
    refused("report", "runs/train", says="no audit in")


@pytest.mark.slow
def test_as_a_process(trained, refused, process):
    refused("report", "runs/train", says="no audit in", call=process)


@pytest.mark.parametrize("name", ["missing", ".", "runs/train/network.safetensors"])
def test_no_run(trained, refused, name):
    refused("report", name)


@pytest.mark.parametrize("name", ["audit.json", "examples.parquet", "pictures.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped"])
def test_a_damaged_audit(audited, refused, name, damage):
    path = audited / "audit" / name
    content = path.read_bytes()
    path.write_bytes(
        {
            "missing": b"",
            "empty": b"",
            "cut": content[: len(content) // 2],
            "flipped": b"!" + content[1:],
        }[damage]
    )
    if damage == "missing":
        path.unlink()
    refused("report", "runs/train")


@pytest.mark.parametrize(
    "change",
    [{"summary": {}}, {"summary": []}, {"provenance": 3}, {"files": []}, {"format": "other"}],
)
def test_an_audit_whose_index_lacks_something(audited, refused, change):
    path = audited / "audit" / "audit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    refused("report", "runs/train", says="audit again")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--charts file", "cannot write to file"),
        ("--charts file/below", "cannot write to"),
        ("--charts /proc/x", "cannot write to"),
        ("--out folder", "folder, which is a folder"),
        ("--out file/page.html", "cannot write to"),
        ("--out new.html --charts file", "cannot write to"),
        ("--format png", "--format png without --charts"),
        ("--charts full", "spectrum.svg, which is a folder"),
    ],
)
def test_places_that_cannot_be_written_to(audited, here, refused, line, says):
    (here / "file").write_text("mine")
    (here / "folder").mkdir()
    (here / "full" / "spectrum.svg").mkdir(parents=True)
    refused("report", "runs/train", *line.split(), says=says)


def test_a_training_that_has_not_ended(here, refused, run):
    unfinished = here / "runs/train/unfinished-01234567"
    unfinished.mkdir(parents=True)
    content = {"format": "mnemoscope-run/1", "settings": {}, "command": "mnemoscope train cats"}
    (unfinished / "run.json").write_text(json.dumps(content))
    says = ["training has not ended", "mnemoscope train cats"]
    refused("report", "runs/train", says=says)
    refused("audit", "runs/train", says=says)
    refused(*TRAIN, says="an unfinished training of another run")
    assert run(*TRAIN, "--force").code == 0
    assert not unfinished.exists()
