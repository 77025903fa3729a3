import base64
import io

import pytest
import torch
from PIL import Image

from mnemoscope.report.pictures import Drawing, drawing, picture, spread
from mnemoscope.results.audit import drawn_as_picture

HOW = Drawing(side=64, low=0.0, high=1.0)


def decoded(state, how=HOW):
    drawn = picture(state, how)
    image = Image.open(io.BytesIO(base64.b64decode(drawn.uri.split(",")[1])))
    assert image.size == (drawn.width, drawn.height)
    return image


@pytest.mark.parametrize("shape", [(8, 12), (1, 8, 12), (3, 8, 12)])
def test_pictures_keep_their_pixels(shape):
    state = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    image = decoded(state)
    assert image.size == (12, 8)
    pixel = image.getpixel((11, 7))
    expected = (state.reshape(-1, 8, 12)[:, 7, 11] * 255).round().int().tolist()
    assert (list(pixel) if isinstance(pixel, tuple) else [pixel]) == expected


def test_values_are_clipped_and_what_is_no_number_is_black():
    state = torch.full((4, 4), 7.0)
    state[0, 0], state[0, 1] = float("nan"), -3.0
    image = decoded(state)
    assert [image.getpixel((x, 0)) for x in range(3)] == [0, 0, 255]


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 16.0), (-1.0, 1.0), (0.0, 4095.0), (0.0, 0.01), (1000.0, 1001.0), (0.5, 0.6)],
)
def test_pictures_of_other_ranges_go_from_black_to_white(low, high):
    how = drawing(torch.tensor([low, high]).repeat(8).view(1, 1, 4, 4), count=1)
    state = torch.linspace(low, high, 16).view(4, 4)
    image = decoded(state, how)
    assert image.getextrema() == (0, 255)
    assert image.getpixel((3, 1)) == round(255 * 7 / 15)


def test_large_pictures_are_scaled_down():
    assert decoded(torch.full((3, 100, 200), 0.5)).size == (64, 32)


@pytest.mark.parametrize("shape", [(4,), (300,), (2, 5, 5), (1, 1, 9), (), (1, 2, 3, 4)])
def test_other_states_are_strips_of_bars(shape):
    assert not drawn_as_picture(shape)
    image = decoded(torch.ones(shape))
    assert image.mode == "RGBA"
    assert image.getbbox() is not None


def test_many_pictures_fit_the_budget():
    how = drawing(torch.ones(2, 3, 256, 256), count=1000)
    assert 1000 * 3 * how.side**2 <= 6_000_000


def test_shown_places_hold_both_ends():
    assert spread(3, 7) == [0, 1, 2]
    assert spread(50, 7)[0] == 0
    assert spread(50, 7)[-1] == 49
    assert len(spread(50, 7)) == 7
