"""An extraction is saved completely, and scored against examples."""

import json

import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.extraction import Extraction, extract
from tests.extraction.maps import memories, remembering

X = memories(5, 1, 4, 4)


@pytest.fixture(scope="module")
def out():
    return extract(remembering(X), starts=20, max_starts=200, seed=0)


def test_what_is_saved(out, tmp_path):
    folder = out.save(tmp_path / "new" / "folder")
    names = {path.name for path in folder.iterdir()}
    tables = {f"{n}.{e}" for n in ("table", "estimates", "history") for e in ("csv", "parquet")}
    files = {"candidates.safetensors", "extraction.json", "sheet.png", "pictures"}
    assert names == tables | files
    assert torch.equal(load_file(folder / "candidates.safetensors")["candidates"], out.candidates)
    for name in ("table", "estimates", "history"):
        assert pl.read_parquet(folder / f"{name}.parquet").equals(getattr(out, name))
    assert pl.read_csv(folder / "table.csv").columns == out.table.columns
    index = json.loads((folder / "extraction.json").read_text())
    assert index["summary"] == out.summary


def test_what_was_saved_is_read_again(out, tmp_path):
    again = Extraction.load(out.save(tmp_path))
    assert torch.equal(again.candidates, out.candidates)
    for name in ("table", "estimates", "history"):
        assert getattr(again, name).equals(getattr(out, name))
    assert (again.summary, again.span) == (out.summary, out.span)


@pytest.mark.parametrize("spoilt", ["extraction.json", "candidates.safetensors", "table.parquet"])
@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"{}")])
def test_what_is_damaged_is_refused(out, tmp_path, spoilt, damage):
    damage(out.save(tmp_path) / spoilt)
    with pytest.raises(MnemoscopeError, match="extraction"):
        Extraction.load(tmp_path)


def test_a_picture_of_each_by_its_rank(out, tmp_path):
    out.save(tmp_path)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == [f"{rank:03}.png" for rank in range(1, 6)]
    image = Image.open(tmp_path / "pictures" / "002.png")
    # 4 × 4, each pixel 16 × 16.
    assert image.size == (64, 64)
    levels = (out.candidates[1, 0].clamp(0, 1) * 255).round()
    assert image.getpixel((8, 8)) == int(levels[0, 0])
    assert image.getpixel((8 + 16, 8 + 48)) == int(levels[3, 1])


def test_what_another_left_is_replaced(out, tmp_path):
    out.save(tmp_path)
    (tmp_path / "pictures" / "holiday.png").write_bytes(b"mine")
    fewer = extract(remembering(X[:2]), starts=20, max_starts=200)
    fewer.save(tmp_path)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == ["001.png", "002.png", "holiday.png"]
    (tmp_path / "pictures" / "holiday.png").unlink()
    none = extract(lambda z: z, shape=(1, 4, 4), starts=5, max_starts=10)
    none.save(tmp_path)
    assert not (tmp_path / "pictures").exists()
    assert not (tmp_path / "sheet.png").exists()


def test_what_is_no_picture_is_saved_as_numbers_alone(tmp_path):
    vectors = memories(3, 6)
    extract(remembering(vectors), starts=20, max_starts=200).save(tmp_path)
    assert (tmp_path / "candidates.safetensors").exists()
    assert not (tmp_path / "sheet.png").exists()
    assert not (tmp_path / "pictures").exists()


def test_an_interrupted_save_leaves_the_earlier_one_whole(out, tmp_path, monkeypatch):
    out.save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    monkeypatch.setattr(
        "mnemoscope.extraction.extraction.sheet",
        lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    other = extract(remembering(X.flip(0)), starts=20, max_starts=200, seed=1)
    with pytest.raises(KeyboardInterrupt):
        other.save(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


def test_scores_are_those_of_the_candidates_in_their_order(out):
    scores = out.score(X)
    assert scores.height == len(out)
    for row in scores.to_dicts():
        distance = (out.candidates[row["rank"] - 1] - X[row["example"]]).square().mean().sqrt()
        assert row["distance"] == pytest.approx(float(distance), abs=1e-7)
    # A tolerance below what the map remembers them by finds none.
    assert set(out.score(X + 0.1)["match"]) == {"none"}
    # Examples of digits lie nearer to each other than 0.8 units, so none is found at 0.1.
    assert set(out.score(X + 0.1, match_tol=0.2)["match"]) <= {"found", "near", "duplicate"}


@pytest.mark.parametrize(
    ("examples", "options", "field"),
    [
        (torch.rand(3, 1, 4, 5), {}, "X"),
        (torch.rand(0, 1, 4, 4), {}, "X"),
        (X, {"match_tol": 0.0}, "match_tol"),
    ],
)
def test_wrong_examples_are_refused(out, examples, options, field):
    with pytest.raises(MnemoscopeError) as refusal:
        out.score(examples, **options)
    assert refusal.value.field == field


def test_a_notebook_shows_the_best_candidates(out):
    assert out.to_frame() is out.table
    assert f"{len(out)} candidates" in out._repr_html_()
