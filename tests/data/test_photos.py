"""Photos: distinct crops of real pictures in an order that depends on nothing."""

import time

import pytest
import torch

from mnemoscope.data import load_data
from mnemoscope.data.sources.photos import APART, FLAT

LUMA = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


@pytest.fixture(scope="module")
def many() -> torch.Tensor:
    return load_data("photos", n=600)


def test_there_are_hundreds(many: torch.Tensor):
    assert many.shape == (600, 3, 32, 32)
    assert many.dtype == torch.float32
    assert float(many.min()) >= 0
    assert float(many.max()) <= 1


def test_no_two_are_near(many: torch.Tensor):
    flat = many.flatten(1).double()
    distance = torch.cdist(flat, flat) / flat.shape[1] ** 0.5
    distance.fill_diagonal_(1)
    assert float(distance.min()) >= APART * (1 - 1e-5)


def test_each_shows_something(many: torch.Tensor):
    assert float(many.flatten(2).std(2).amax(1).min()) >= FLAT * (1 - 1e-5)


@pytest.mark.parametrize("n", [1, 2, 24, 150, 400])
def test_content_and_order_do_not_depend_on_n(many: torch.Tensor, n: int):
    assert torch.equal(load_data("photos", n=n), many[:n])


def test_offset_goes_on_in_the_same_sequence(many: torch.Tensor):
    assert torch.equal(load_data("photos", n=5, offset=20), many[20:25])


def test_twenty_unless_said_otherwise(many: torch.Tensor):
    assert torch.equal(load_data("photos"), many[:20])
    assert torch.equal(load_data("photos", offset=7), many[7:27])


def test_grey_is_the_grey_of_the_same_crops(many: torch.Tensor):
    grey = load_data("photos", n=30, gray=True)
    assert grey.shape == (30, 1, 32, 32)
    torch.testing.assert_close(grey, (many[:30] * LUMA).sum(1, keepdim=True))


@pytest.mark.parametrize("size", [8, 16, 64, 427])
def test_any_size(size: int):
    assert load_data("photos", n=3, size=size).shape == (3, 3, size, size)


def test_too_many_are_reported_how_many_there_are(refusal):
    # At this size there are few, which are soon counted.
    message = refusal("photos", n=1000, size=200)
    available = int(message.split("which has ")[1].split()[0])
    last = load_data("photos", offset=available - 2, size=200)
    assert last.shape == (2, 3, 200, 200)
    assert torch.equal(last, load_data("photos", n=available, size=200)[-2:])
    assert f"has {available} examples" in refusal("photos", n=available + 1, size=200)


def test_larger_than_the_photographs(refusal):
    assert "at most 427" in refusal("photos", n=1, size=428)


def test_a_few_are_there_at_once():
    load_data("photos", n=1)  # Scikit-learn is imported.
    start = time.process_time()
    load_data("photos", n=24)
    assert time.process_time() - start < 1
