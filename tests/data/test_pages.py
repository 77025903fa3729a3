"""Each page of a picture file is an example."""

import numpy as np
import pytest
import torch
from PIL import Image

from mnemoscope.data import load_data

LEVELS = [0, 51, 102, 153, 204]


def save(path, colours=False, levels=LEVELS):
    """Frames of one level each, but for a corner that says which they are."""
    frames = []
    for i, level in enumerate(levels):
        pixels = np.full((16, 16, 3) if colours else (16, 16), level, np.uint8)
        pixels[0, i] = 255
        if colours:
            pixels[..., 0] = 255 - level
        frames.append(Image.fromarray(pixels))
    options = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


@pytest.mark.parametrize("ending", ["tif", "tiff", "gif", "png", "webp"])
def test_every_page_is_an_example_in_a_folder_and_alone(ending, tmp_path):
    path = save(tmp_path / f"s.{ending}")
    for source in (tmp_path, path, str(path)):
        X = load_data(source)
        assert X.shape == (5, 1, 16, 16)
        assert X[:, 0, 8, 8].tolist() == pytest.approx([level / 255 for level in LEVELS])
        assert [int(x[0, 0].argmax()) for x in X] == list(range(5))


@pytest.mark.parametrize("ending", ["tif", "gif", "png", "webp"])
def test_pages_of_colour_stay_coloured(ending, tmp_path):
    X = load_data(save(tmp_path / f"s.{ending}", colours=True))
    assert X.shape == (5, 3, 16, 16)
    torch.testing.assert_close(X[:, 0, 8, 8], 1 - X[:, 1, 8, 8], rtol=0, atol=1e-6)


def test_n_and_offset_count_pages(tmp_path):
    save(tmp_path / "b.tif")
    Image.new("L", (16, 16), 9).save(tmp_path / "a.png")
    Image.new("L", (16, 16), 8).save(tmp_path / "c.png")
    everything = load_data(tmp_path)
    assert len(everything) == 7
    for offset in range(7):
        for n in range(1, 8 - offset):
            assert torch.equal(load_data(tmp_path, n, offset), everything[offset : offset + n])


def test_asking_for_too_many_pages_tells_how_many_there_are(tmp_path, refusal):
    save(tmp_path / "s.tif")
    assert "which has 5 examples" in refusal(tmp_path, n=6)
    assert "which has 5 examples" in refusal(tmp_path / "s.tif", offset=5)


def test_pages_of_different_sizes_are_named(tmp_path, refusal):
    small, large = Image.new("L", (4, 4)), Image.new("L", (5, 4))
    small.save(tmp_path / "s.tif", save_all=True, append_images=[large])
    assert "page 1 of s.tif is 4 × 5" in refusal(tmp_path)
    assert load_data(tmp_path, size=2).shape == (2, 1, 2, 2)


def test_a_page_that_is_cut_off_is_reported_not_passed_over(tmp_path, refusal):
    path = save(tmp_path / "s.gif")
    path.write_bytes(path.read_bytes()[:-60])
    message = refusal(tmp_path)
    assert str(path) in message


def test_pages_of_12_bits_keep_their_numbers_if_asked(tmp_path):
    pages = [Image.fromarray(np.full((4, 4), v, np.uint16)) for v in (7, 4095)]
    pages[0].save(tmp_path / "s.tif", save_all=True, append_images=pages[1:])
    assert load_data(tmp_path, scale="keep")[:, 0, 0, 0].tolist() == [7, 4095]
    assert load_data(tmp_path)[1].max().item() == pytest.approx(4095 / 65535)


@pytest.mark.parametrize("bit", [0, 1])
def test_bits_are_0_and_1_by_either_rule(bit, tmp_path):
    Image.new("1", (4, 4), bit).save(tmp_path / "a.png")
    for rule in ("keep", "divide"):
        assert load_data(tmp_path, scale=rule).unique().tolist() == [bit]
