import io

import numpy as np
import pytest
import torch
from PIL import Image

from mnemoscope import data
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.reading import Reading


def grey(value, width=4, height=4):
    return Image.new("L", (width, height), value)


def noise():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    for name, value in (("b.png", 102), ("a.png", 51), ("c.png", 153)):
        grey(value).save(tmp_path / name)
    return tmp_path


def test_pictures_come_by_name(folder):
    X = data.load_data(folder)
    assert X.shape == (3, 1, 4, 4)
    assert X[:, 0, 0, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_a_string_is_a_path_too(folder):
    assert torch.equal(data.load_data(str(folder)), data.load_data(folder))


def test_n_and_offset(folder):
    assert data.load_data(folder, n=1, offset=1)[0, 0, 0, 0].item() == pytest.approx(0.4)


def test_only_the_ones_asked_for_are_read(folder):
    (folder / "a.png").write_bytes(b"broken")
    (folder / "c.png").write_bytes(b"broken")
    assert len(data.load_data(folder, n=1, offset=1)) == 1


def test_other_files_hidden_files_and_folders_are_left_alone(folder):
    (folder / "notes.txt").write_text("hello")
    (folder / "._a.png").write_bytes(b"broken")
    (folder / "d.png").mkdir()
    assert len(data.load_data(folder)) == 3


@pytest.mark.parametrize(
    "ending", ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "ppm", "pgm", "PNG"]
)
def test_every_kind_of_picture(tmp_path, ending):
    grey(51).save(tmp_path / f"a.{ending}")
    assert data.load_data(tmp_path).mean().item() == pytest.approx(0.2, abs=0.02)


def test_of_different_sizes_both_are_named(folder):
    grey(9, width=5).save(folder / "d.png")
    with pytest.raises(MnemoscopeError, match=r"a.png is 4 × 4, d.png is 4 × 5.*pass a size"):
        data.load_data(folder)


def test_size_mends_different_sizes(folder):
    grey(9, width=9, height=6).save(folder / "d.png")
    assert data.load_data(folder, size=3).shape == (4, 1, 3, 3)


def test_grey_and_colour_become_colour_unless_grey_is_asked_for(folder):
    Image.new("RGB", (4, 4), (255, 0, 0)).save(folder / "d.png")
    X = data.load_data(folder)
    assert X.shape == (4, 3, 4, 4)
    assert torch.equal(X[0, 0], X[0, 1])
    assert data.load_data(folder, gray=True)[3].mean().item() == pytest.approx(0.299)


def test_asking_for_too_many_tells_how_many_there_are(folder):
    with pytest.raises(MnemoscopeError, match="which has 3 examples"):
        data.load_data(folder, n=4)


def test_an_empty_folder(tmp_path):
    with pytest.raises(MnemoscopeError, match=r"without pictures; expected files that end in .bmp"):
        data.load_data(tmp_path)


def _classes(folder, *places):
    """A folder of pictures, one in each place, whose grey is the place's number."""
    for number, place in enumerate(places):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        grey(number).save(folder / place)
    return folder


def _greys(X):
    return (X.flatten(1)[:, 0] * 255).round().tolist()


def test_a_folder_for_each_class(tmp_path):
    _classes(tmp_path, "cats/a.png", "cats/deep/b.png", "dogs/a.png", ".hidden/c.png")
    assert _greys(data.load_data(tmp_path)) == [0, 1, 2]
    assert _greys(data.load_data(tmp_path, n=1, offset=2)) == [2]


def test_pictures_of_the_folder_itself_go_before_those_of_inner_folders(tmp_path):
    _classes(tmp_path, "a.png", "thumbnails/a.png")
    assert _greys(data.load_data(tmp_path)) == [0]


def test_the_training_split_is_taken_unless_another_is_asked_for(tmp_path, refusal):
    _classes(tmp_path, "train/cats/a.png", "train/dogs/a.png", "test/cats/a.png", "val/a.png")
    assert _greys(data.load_data(tmp_path)) == [0, 1]
    assert _greys(data.load_data(tmp_path, reading=Reading(split="test"))) == [2]
    assert _greys(data.load_data(tmp_path, reading=Reading(split="validation"))) == [3]
    message = refusal(tmp_path, reading=Reading(split="extra"))
    assert "test, train, validation" in message


def test_masks_beside_pictures_are_left_out(tmp_path):
    _classes(tmp_path, "images/a.png", "masks/a.png", "labels/a.png")
    assert _greys(data.load_data(tmp_path)) == [0]
    assert _greys(data.load_data(tmp_path / "masks")) == [1]


def test_a_saved_dataset_is_pointed_at(tmp_path):
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(MnemoscopeError, match=f"load hf:{tmp_path}"):
        data.load_data(tmp_path)


def test_an_empty_picture(folder):
    (folder / "b.png").write_bytes(b"")
    with pytest.raises(MnemoscopeError, match=r"b.png, which is empty \(0 bytes\)"):
        data.load_data(folder)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_picture_that_is_cut_off(tmp_path, kind, share):
    whole = encoded(noise(), kind)
    (tmp_path / "a.png").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(MnemoscopeError, match=r"a.png, which cannot be read as a picture"):
        data.load_data(tmp_path)


def test_a_picture_of_another_kind_than_its_name_is_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(grey(51), "PNG"))
    assert data.load_data(tmp_path).mean().item() == pytest.approx(0.2)


def test_postscript_under_a_pictures_name_never_reaches_an_interpreter(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(noise(), "EPS"))
    with pytest.raises(MnemoscopeError, match="cannot identify image file"):
        data.load_data(tmp_path)


def test_a_decompression_bomb(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(MnemoscopeError, match="too large a picture"):
        data.load_data(folder)


def test_a_text_file_under_a_pictures_name(folder, refusal):
    (folder / "z.png").write_text("no picture")
    message = refusal(folder)
    assert f"{folder / 'z.png'}, which cannot be read as a picture" in message
    assert "replace or remove it" in message


def test_an_unreadable_picture(folder, refusal, unreadable):
    path = unreadable(next(folder.glob("*.png")))
    assert str(path) in refusal(folder)


def test_an_unreadable_folder(folder, refusal, unreadable):
    assert "cannot be listed" in refusal(unreadable(folder))
