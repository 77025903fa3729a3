import json
import math
import shutil
from dataclasses import replace

import polars as pl
import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.text import plain
from mnemoscope.results.summary import SpanDistance
from mnemoscope.results.tables import SCHEMAS

FILES = {"audit.json", "pictures.safetensors", *(f"{name}.parquet" for name in SCHEMAS)}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def empty():
    """An audit that found nothing: tables without rows, pictures without attractors."""
    X = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    return mn.audit(lambda z: z, X, mn.AuditOptions.of(corruptions={}), starts=5)


def same(one, other):
    for name in SCHEMAS:
        assert getattr(one, name).equals(getattr(other, name)), name
        assert getattr(one, name).schema == getattr(other, name).schema, name
    assert one.pictures.keys() == other.pictures.keys()
    assert all(torch.equal(one.pictures[k], other.pictures[k]) for k in one.pictures)
    assert one.summary == other.summary
    assert plain(one.provenance) == other.provenance


@pytest.mark.parametrize("which", ["audited", "empty"])
def test_an_audit_comes_back_as_it_was(which, request, tmp_path):
    audit = empty() if which == "empty" else request.getfixturevalue(which)
    folder = audit.save(tmp_path / "new" / "folder")
    assert set(content(folder)) == FILES
    same(audit, mn.Audit.load(folder))
    assert mn.Audit.load(str(folder)).verdict == audit.verdict


def test_what_is_not_finite_comes_back_as_none(tmp_path):
    span = SpanDistance(median=math.nan, inputs=3)
    audit = empty().with_summary(span_distance=span, seconds=math.inf)
    found = mn.Audit.load(audit.save(tmp_path)).summary
    assert (found.span_distance.median, found.seconds) == (None, None)


def test_a_later_audit_takes_the_place_of_an_earlier_one(audited, tmp_path):
    audited.save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    later = empty()
    later.save(tmp_path)
    same(later, mn.Audit.load(tmp_path))
    assert set(content(tmp_path)) == {*FILES, "notes.txt"}


@pytest.mark.parametrize(
    "broken",
    [
        {"provenance": {"source": object()}},
        {"plane": None},
        {"pictures": {"examples": "no tensor"}},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_a_save_that_fails_leaves_the_earlier_audit_whole(broken, audited, tmp_path):
    audited.save(tmp_path)
    before = content(tmp_path)
    with pytest.raises((TypeError, AttributeError, ValueError)):
        replace(empty(), **broken).save(tmp_path)
    assert content(tmp_path) == before
    same(audited, mn.Audit.load(tmp_path))


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(mn.MnemoscopeError, match="cannot write to"):
        empty().save(tmp_path / "file")


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "of another audit"])
def test_a_damaged_audit_is_refused(name, damage, saved):
    folder, others = saved
    path = folder / name
    kept = path.read_bytes()
    if damage == "cut":
        path.write_bytes(kept[:-1] if name != "audit.json" else kept[:-3])
    elif damage == "changed":
        path.write_bytes(kept[:8] + b"\0" + kept[9:])
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes((others / name).read_bytes())
        if path.read_bytes() == kept:
            pytest.skip("the two agree")
    with pytest.raises(mn.MnemoscopeError) as error:
        mn.Audit.load(folder)
    message = str(error.value)
    assert str(folder) in message
    assert "\n" not in message
    if damage == "missing":
        assert f"no audit in {folder} ({name} is missing)" in message
    elif name != "audit.json":
        assert f"{name} is damaged" in message


@pytest.fixture(scope="module")
def both(tmp_path_factory, audited):
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    audited.save(folders[0])
    empty().save(folders[1])
    return folders


@pytest.fixture
def saved(both, tmp_path):
    """Two audits in two folders; the first may be damaged."""
    shutil.copytree(both[0], tmp_path / "one")
    return tmp_path / "one", both[1]


@pytest.mark.parametrize(
    "index",
    ["[]", "{}", "null", '{"format": "mnemoscope-audit/9"}', '{"format": "mnemoscope-audit/1"}'],
)
def test_an_index_of_another_kind_is_refused(index, saved):
    (saved[0] / "audit.json").write_text(index)
    with pytest.raises(mn.MnemoscopeError, match="cannot be read"):
        mn.Audit.load(saved[0])


def test_a_folder_without_an_audit_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(mn.MnemoscopeError, match=r"no audit in .*audit.json is missing"):
            mn.Audit.load(folder)


def test_the_index_is_strict_json_and_names_every_other_file(saved):
    def refuse(constant):
        raise AssertionError(constant)

    index = json.loads((saved[0] / "audit.json").read_text(), parse_constant=refuse)
    assert set(index["files"]) == FILES - {"audit.json"}


@pytest.mark.slow
def test_the_report_is_one_file(audited, tmp_path):
    path = mn.write_report(audited, tmp_path / "report.html")
    text = path.read_text()
    assert audited.verdict in text
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_the_report_of_an_audit_that_found_nothing(tmp_path):
    page = mn.write_report(empty(), tmp_path / "r.html").read_text()
    assert "None of the 3 training examples" in page


def test_tables_are_polars_frames(audited):
    assert all(isinstance(getattr(audited, name), pl.DataFrame) for name in SCHEMAS)
