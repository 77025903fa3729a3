"""States as pictures: the data's range from black to white."""

import pytest
import torch

from mnemoscope.dynamics.starts import Range
from mnemoscope.extraction.extraction import GAP, MAX_ON_SHEET, drawable, drawn, sheet


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [((1, 8, 8), True), ((3, 8, 6), True), ((8, 8), True), ((2, 8, 8), False), ((64,), False)],
)
def test_what_can_be_drawn(shape, drawn):
    assert drawable(shape) is drawn


def test_the_range_is_drawn_from_black_to_white_and_what_is_outside_cut_off():
    state = torch.full((1, 1, 64, 80), 1.0)
    state[0, 0, 0, :4] = torch.tensor([-1.0, 0.0, 3.0, -7.0])
    (image,) = drawn(state, Range(-1.0, 1.0))
    assert (image.mode, image.size) == ("L", (80, 64))
    assert [image.getpixel((x, 0)) for x in range(4)] == [0, 128, 255, 0]


def test_colours_and_small_pictures():
    state = torch.zeros(1, 3, 8, 4)
    state[0, 1, 7, 3] = 1.0
    (image,) = drawn(state, Range())
    assert (image.mode, image.size) == ("RGB", (32, 64))
    assert image.getpixel((31, 63)) == (0, 255, 0)
    assert image.getpixel((23, 63)) == (0, 0, 0)


def test_a_picture_without_channels():
    (image,) = drawn(torch.eye(64)[None], Range())
    assert (image.mode, image.getpixel((5, 5)), image.getpixel((5, 6))) == ("L", 255, 0)


def test_the_sheet_has_the_best_in_rows():
    states = torch.linspace(0, 1, 5)[:, None, None, None].expand(5, 1, 64, 64)
    whole = sheet(states, Range())
    assert whole.size == (3 * (64 + GAP) + GAP, 2 * (64 + GAP) + GAP)
    assert whole.getpixel((GAP, GAP)) == 0
    assert whole.getpixel((GAP + 2 * (64 + GAP), GAP)) == 128
    assert whole.getpixel((GAP + 64 + GAP, GAP + 64 + GAP)) == 255
    assert whole.getpixel((0, 0)) == 255
    many = sheet(torch.zeros(MAX_ON_SHEET + 50, 1, 64, 64), Range())
    assert many.size == (20 * (64 + GAP) + GAP, 20 * (64 + GAP) + GAP)
