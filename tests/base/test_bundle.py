"""Result folders: written and read as a whole, refused when anything is missing or changed."""

import json
from dataclasses import replace

import polars as pl
import pytest
import torch
from pydantic import BaseModel

from mnemoscope.base.bundle import Bundle, BundleKind, load_bundle, save_bundle
from mnemoscope.base.errors import MnemoscopeError


class Index(BaseModel):
    summary: dict[str, float | None]


KIND = BundleKind(
    noun="trial",
    format="trial/1",
    index="trial.json",
    content=Index,
    tables={"rows": {"a": pl.Int64()}, "free": None},
    tensors="numbers.safetensors",
    written_by="a test",
)

BUNDLE = Bundle(
    tables={"rows": pl.DataFrame({"a": [1, 2]}), "free": pl.DataFrame({"b": ["x"]})},
    tensors={"z": torch.arange(6.0).reshape(2, 3).T},
    content=Index(summary={"loss": float("nan")}),
)


def test_it_is_read_as_it_was_written(tmp_path):
    read = load_bundle(save_bundle(tmp_path / "new", KIND, BUNDLE), KIND)
    assert all(read.tables[name].equals(table) for name, table in BUNDLE.tables.items())
    assert torch.equal(read.tensors["z"], BUNDLE.tensors["z"])
    # JSON has no NaN.
    assert read.content == Index(summary={"loss": None})
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(KIND.files())


@pytest.mark.parametrize("name", KIND.files())
@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"{}")])
def test_a_missing_or_changed_file_is_refused(tmp_path, name, damage):
    damage(save_bundle(tmp_path, KIND, BUNDLE) / name)
    with pytest.raises(MnemoscopeError, match="trial"):
        load_bundle(tmp_path, KIND)


def test_another_format_or_other_columns_are_refused(tmp_path):
    save_bundle(tmp_path, KIND, BUNDLE)
    index = json.loads((tmp_path / "trial.json").read_text())
    (tmp_path / "trial.json").write_text(json.dumps({**index, "format": "trial/2"}))
    with pytest.raises(MnemoscopeError, match="trial/1"):
        load_bundle(tmp_path, KIND)
    other = replace(BUNDLE, tables={**BUNDLE.tables, "rows": BUNDLE.tables["free"]})
    save_bundle(tmp_path, KIND, other)
    with pytest.raises(MnemoscopeError, match="other columns"):
        load_bundle(tmp_path, KIND)


def test_an_index_of_another_shape_is_refused(tmp_path):
    save_bundle(tmp_path, KIND, BUNDLE)
    index = json.loads((tmp_path / "trial.json").read_text())
    (tmp_path / "trial.json").write_text(json.dumps({**index, "summary": 3}))
    with pytest.raises(MnemoscopeError, match=r"summary.*valid dict") as refused:
        load_bundle(tmp_path, KIND)
    assert refused.value.todo == "check the path, or run it again"


def test_what_fails_midway_leaves_the_earlier_result_whole(tmp_path):
    save_bundle(tmp_path, KIND, BUNDLE)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(new, stage):
        raise KeyboardInterrupt

    later = Bundle(
        {**BUNDLE.tables, "free": pl.DataFrame({"b": ["y"]})}, BUNDLE.tensors, BUNDLE.content
    )
    with pytest.raises(KeyboardInterrupt):
        save_bundle(tmp_path, KIND, later, more=fail)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
