"""No plane is lost: only 8-bit pictures can have a transparency, and only one that says nothing."""

import numpy as np
import pytest
import torch
from PIL import Image, TiffImagePlugin

from mnemoscope.data import load_data
from mnemoscope.data.load import read_examples
from mnemoscope.data.reading import Reading

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (3, 5, 6, 3), dtype=np.uint8)


def with_fourth(plane):
    return np.concatenate([COLOURS, np.broadcast_to(plane, (3, 5, 6, 1)).astype(np.uint8)], 3)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(16, 16, 4), (2, 9, 4), (4, 16, 16), (16, 16, 5), (7, 9, 2)])
def test_planes_of_floats_are_never_a_transparency(shape, dtype):
    given = RNG.random((10, *shape)).astype(dtype)
    assert np.array_equal(load_data(given).numpy(), given.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int64"])
def test_planes_of_other_integers_are_kept(dtype):
    given = RNG.integers(0, 4096, (3, 8, 9, 4)).astype(dtype)
    assert np.array_equal(load_data(given).numpy(), given)


def test_an_opaque_picture_loses_nothing(caplog):
    found = read_examples(with_fourth(255))
    assert torch.equal(found.X, load_data(COLOURS))
    assert found.record == {"scale": "divide", "alpha": "white"}
    assert "fourth plane is 255 everywhere" in caplog.text


@pytest.mark.parametrize(
    "plane", [RNG.integers(0, 256, (3, 5, 6, 1)), 7, RNG.integers(0, 2, (3, 5, 6, 1)) * 255]
)
def test_any_other_fourth_plane_is_kept_and_the_option_named(plane, caplog):
    given = with_fourth(plane)
    X = load_data(given)
    assert np.array_equal((X * 255).round().numpy(), given.transpose(0, 3, 1, 2))
    assert "--alpha white" in caplog.text


def test_a_transparency_lies_on_white_if_the_caller_says_so():
    X = load_data(
        with_fourth(RNG.integers(0, 2, (3, 5, 6, 1)) * 255), reading=Reading(alpha="white")
    )
    assert X.shape == (3, 3, 5, 6)
    cover = RNG.integers(0, 256, (3, 5, 6, 1))
    blended = (COLOURS * (cover / 255) + 255 - cover) / 255
    X = load_data(with_fourth(cover), reading=Reading(alpha="white"))
    np.testing.assert_allclose(X.numpy(), blended.transpose(0, 3, 1, 2), atol=1e-6)
    assert load_data(with_fourth(255), reading=Reading(alpha="plane")).shape == (3, 4, 5, 6)


@pytest.mark.parametrize("given", [np.zeros((2, 5, 6, 4)), COLOURS, np.ones((2, 3), bool)])
def test_alpha_without_a_transparency(given, refusal):
    assert "alpha='white'" in refusal(given, reading=Reading(alpha="white"))


def test_bands_of_a_tiff_that_are_no_colours_are_not_dropped(tmp_path, refusal):
    image = Image.fromarray(with_fourth(RNG.integers(0, 256, (3, 5, 6, 1)))[0], "RGBA")
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    image.save(tmp_path / "a.tif", tiffinfo=tags)
    assert load_data(tmp_path).shape == (1, 3, 5, 6)
    # The same file, its fourth sample "unspecified" instead of a transparency.
    content = bytearray((tmp_path / "a.tif").read_bytes())
    place = content.index(np.array([338, 3], "<u2").tobytes())
    content[place + 8 : place + 10] = np.array([0], "<u2").tobytes()
    (tmp_path / "a.tif").write_bytes(content)
    assert "are no transparency" in refusal(tmp_path)
