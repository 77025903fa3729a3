import io

import numpy as np
import pytest
import torch
from PIL import Image

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.pictures import picture_tensor


def reopened(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return Image.open(file)


def decoded(image, kind="PNG", **options):
    return picture_tensor(reopened(image, kind, **options), "it")


def test_colour_has_its_channels_first():
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
    assert torch.equal(
        decoded(Image.fromarray(pixels)), torch.from_numpy(pixels).permute(2, 0, 1) / 255
    )


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (2, 2), 1), [1.0]),
        (Image.new("L", (2, 2), 51), [0.2]),
        (Image.new("LA", (2, 2), (51, 255)), [0.2]),
        (Image.new("LA", (2, 2), (51, 0)), [1.0]),
        (Image.new("RGB", (2, 2), (51, 102, 255)), [0.2, 0.4, 1.0]),
        (Image.new("RGBA", (2, 2), (51, 102, 255, 255)), [0.2, 0.4, 1.0]),
        (Image.new("RGBA", (2, 2), (51, 102, 255, 0)), [1.0, 1.0, 1.0]),
        (Image.new("RGB", (2, 2), (51, 102, 255)).quantize(4), [0.2, 0.4, 1.0]),
        (Image.fromarray(np.full((2, 2), 13107, np.uint16)), [0.2]),
    ],
    ids=["bit", "grey", "grey-opaque", "grey-clear", "colour", "opaque", "clear", "palette", "16"],
)
def test_modes(image, expected):
    picture = decoded(image)
    assert torch.allclose(picture, torch.tensor(expected)[:, None, None].expand(-1, 2, 2))


def test_a_transparent_palette_colour_lies_on_white():
    image = Image.new("P", (1, 1), 0)
    image.putpalette([255, 0, 0])
    assert torch.equal(decoded(image, transparency=0), torch.ones(3, 1, 1))


def test_a_dark_16_bit_picture_stays_dark():
    file = io.BytesIO(b"P5 1 1 65535\n" + np.array([200], ">u2").tobytes())
    assert picture_tensor(Image.open(file), "it").item() == pytest.approx(200 / 65535)


def test_a_floating_point_picture_is_taken_as_it_is():
    values = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    assert torch.equal(decoded(Image.fromarray(values), "TIFF")[0], torch.from_numpy(values))


@pytest.mark.parametrize("value", [-0.5, 7.0])
def test_a_floating_point_picture_keeps_its_range(value):
    image = Image.fromarray(np.array([[0.5, value]], np.float32))
    assert decoded(image, "TIFF").flatten().tolist() == [0.5, value]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_floating_point_picture_that_is_not_finite_is_refused(value):
    image = Image.fromarray(np.array([[0.5, value]], np.float32))
    with pytest.raises(MnemoscopeError, match=r"it, .*expected finite numbers"):
        decoded(image, "TIFF")


def test_32_bit_integers_have_no_known_scale():
    with pytest.raises(MnemoscopeError, match="it, a picture of 32-bit integers"):
        decoded(Image.fromarray(np.full((2, 2), 9, np.int32)), "TIFF")


def test_it_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: to be turned by 90° clockwise.
    pixels = np.array([[0, 50, 100], [150, 200, 250]], np.uint8)
    upright = np.rot90(pixels, -1).copy()
    assert torch.equal(
        decoded(Image.fromarray(pixels), exif=exif)[0], torch.from_numpy(upright) / 255
    )


def test_of_an_animation_the_first_frame():
    frames = [Image.new("L", (2, 2), value) for value in (255, 0)]
    assert torch.all(decoded(frames[0], "GIF", save_all=True, append_images=frames[1:]) == 1)
