from pathlib import Path

import numpy as np
import pytest
import torch

from mnemoscope import data
from mnemoscope.base.errors import MnemoscopeError


@pytest.mark.parametrize(
    "options",
    [
        {"n": 0}, {"n": -1}, {"n": 2.5}, {"n": True}, {"n": "3"},
        {"offset": -1}, {"offset": 0.5}, {"offset": None},
        {"size": 0}, {"size": -4}, {"size": 4097}, {"size": 2.5},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_make_no_sense_are_named(options):
    (name,) = options
    with pytest.raises(MnemoscopeError, match=f"^{name}=.*a whole number"):
        data.load_data("digits", **options)


@pytest.mark.parametrize("options", [{"n": 1798}, {"offset": 1797}, {"n": 1, "offset": 1797}])
def test_asking_for_too_many_tells_how_many_there_are(options):
    with pytest.raises(MnemoscopeError, match="digits, which has 1797 examples"):
        data.load_data("digits", **options)


def test_n_and_offset_agree_with_slicing():
    everything = data.load_data("digits")
    assert torch.equal(data.load_data("digits", n=4, offset=100), everything[100:104])
    assert torch.equal(data.load_data("digits", offset=1790), everything[1790:])


@pytest.mark.parametrize("source", [None, 3, [1, 2], b"digits", {"X": 1}], ids=str)
def test_a_source_of_a_wrong_type(source):
    with pytest.raises(MnemoscopeError, match=r"a source of type .*expected digits, photos"):
        data.load_data(source)


@pytest.mark.parametrize(
    ("typed", "meant"), [("digts", "digits"), ("Digits", "digits"), ("fotos", "photos")]
)
def test_an_unknown_name_lists_the_known_and_suggests_the_nearest(typed, meant):
    with pytest.raises(MnemoscopeError, match=f"expected digits, photos.*did you mean {meant}?"):
        data.load_data(typed)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    torch.save(torch.zeros(1, 2), tmp_path / "faces.pt")
    with pytest.raises(MnemoscopeError, match=r"does not exist.*did you mean .*faces\.pt"):
        data.load_data(tmp_path / "face.pt")


@pytest.mark.parametrize("source", ["qqqqqq", "/no/such/place/at/all.npy"])
def test_where_nothing_is_near_nothing_is_suggested(source):
    with pytest.raises(MnemoscopeError, match=r"does not exist.*check the path"):
        data.load_data(source)


@pytest.mark.parametrize("source", ["", "  "])
def test_an_empty_name_is_not_the_working_folder(source):
    with pytest.raises(MnemoscopeError, match="an empty source"):
        data.load_data(source)


@pytest.mark.parametrize("source", ["a\0b", "a\nb", "a" * 5000, "~no-such-user-here/x"])
def test_an_impossible_path(source):
    with pytest.raises(MnemoscopeError, match=r"expected digits|does not exist") as error:
        data.load_data(source)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("a.pkl", "a pickle is never read"),
        ("a.joblib", "a pickle is never read"),
        ("a.png", "cannot be read as a picture"),
        ("a", "save arrays with numpy.save"),
    ],
)
def test_a_file_of_an_unknown_kind(tmp_path, name, todo):
    (tmp_path / name).write_text("1,2")
    with pytest.raises(MnemoscopeError, match=todo):
        data.load_data(tmp_path / name)


def test_a_path_is_never_a_bundled_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MnemoscopeError, match="digits, which does not exist"):
        data.load_data(Path("digits"))


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(torch.zeros(2, 3), tmp_path / "a.pt")
    assert data.load_data("~/a.pt").shape == (2, 3)


def test_what_is_loaded_is_one_block_of_float32():
    X = data.load_data(torch.zeros(2, 5, 6, 3))
    assert X.dtype == torch.float32
    assert X.is_contiguous()


def test_examples_from_a_file_are_the_callers_own(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.full((4, 3), 0.5, dtype=np.float32))
    first = data.load_data(path)
    first += 1
    assert torch.equal(data.load_data(path), torch.full((4, 3), 0.5))
    # A part of a file does not keep the whole of it in memory.
    assert data.load_data(path, n=1).untyped_storage().nbytes() == 3 * 4
