"""Integers are divided by 255 where they are pictures, and keep their numbers otherwise."""

import logging

import numpy as np
import pytest
import torch

from mnemoscope.data import load_data
from mnemoscope.data.load import read_examples
from mnemoscope.data.reading import Reading

KEPT = {
    "one-hot": np.eye(5, dtype=np.int64)[np.random.default_rng(0).integers(0, 5, (24, 10))],
    "mask": np.array([[[0, 1], [1, 0]]], dtype=np.uint8),
    "grades": np.arange(17, dtype=np.uint8)[None],
    "12 bits": np.array([[0, 4095, 7]], dtype=np.uint16),
    "signed bytes": np.array([[-128, 127, 5]], dtype=np.int8),
    "16 bits": np.array([[-32768, 32767]], dtype=np.int16),
    "0 to 255": np.array([[0, 255, 51]], dtype=np.int32),
    "uint64": np.array([[0, 2**63]], dtype=np.uint64),
    "foreign order": np.array([[0, 255, -7]], dtype=">i2"),
    "127": np.array([[0, 127]], dtype=np.uint8),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("tensor", [False, True])
def test_integers_that_are_no_pictures_keep_their_numbers(name, tensor, caplog):
    given = KEPT[name]
    native = given.astype(given.dtype.newbyteorder("="))
    found = load_data(torch.from_numpy(native) if tensor else given)
    assert found.dtype == torch.float32
    assert found.double().flatten().tolist() == given.astype(float).flatten().tolist()
    (line,) = [record.message for record in caplog.records if record.name == "mnemoscope"]
    assert "keep their numbers" in line
    assert 'scale="divide"' in line


@pytest.mark.parametrize("top", [128, 255])
def test_bytes_above_127_are_pictures(top):
    given = np.array([[0, top], [51, 102]], dtype=np.uint8)
    found = read_examples(given)
    torch.testing.assert_close(found.X, torch.tensor([[0, top / 255], [0.2, 0.4]]))
    assert found.record == {"scale": "divide"}


def test_any_part_of_an_array_is_read_by_the_rule_of_the_whole(tmp_path):
    given = np.array([[0, 51], [0, 255]], dtype=np.uint8)
    np.save(tmp_path / "x.npy", given)
    for source in (given, torch.from_numpy(given), tmp_path / "x.npy"):
        torch.testing.assert_close(load_data(source, n=1), torch.tensor([[0, 0.2]]))


def test_what_the_caller_says_goes_before_the_rule(caplog):
    given = np.array([[0, 51, 255]], dtype=np.uint8)
    assert load_data(given, scale="keep").tolist() == [[0, 51, 255]]
    dark = np.array([[0, 51]], dtype=np.int64)
    torch.testing.assert_close(load_data(dark, scale="divide"), torch.tensor([[0, 0.2]]))
    # Who chose needs no warning.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("given", [[[0, 256]], [[-1, 0]], [[0, 2**40]]])
def test_what_cannot_be_bytes_is_not_divided(given, refusal):
    assert "--data-scale keep" in refusal(np.array(given), scale="divide")


def test_an_unknown_rule(refusal):
    assert "scale='halve'" in refusal(np.array([[1]]), scale="halve")


def test_truth_values_and_floats_have_no_rule():
    assert read_examples(np.array([[True, False]])).record == {}
    assert read_examples(np.array([[0.5, 0]])).record == {}


def test_numbers_beyond_float32_are_reported(caplog):
    load_data(np.array([[2**24 + 1, 0]]))
    assert "rounded to float32" in caplog.text


def test_bundled_pictures_in_their_own_numbers():
    assert torch.equal(load_data("digits", n=3, scale="keep"), 16 * load_data("digits", n=3))
    photos = load_data("photos", n=2, size=8, scale="keep")
    torch.testing.assert_close(photos, 255 * load_data("photos", n=2, size=8))


@pytest.mark.parametrize("top", [16, 4095])
def test_resizing_and_grey_keep_the_range_of_numbers(top):
    given = np.random.default_rng(0).integers(0, top + 1, (3, 12, 12, 3), dtype=np.int64)
    found = load_data(given, size=6, gray=True)
    assert found.shape == (3, 1, 6, 6)
    # The mean of uniform numbers from 0 to `top`; clipped to [0, 1] it would be below 1.
    assert float(found.mean()) == pytest.approx(top / 2, rel=0.1)


def test_a_record_reads_another_array_in_the_same_way():
    record = read_examples(KEPT["grades"]).record
    fresh = np.array([[0, 200]], dtype=np.uint8)
    assert read_examples(fresh, reading=Reading(**record)).X.tolist() == [[0, 200]]
