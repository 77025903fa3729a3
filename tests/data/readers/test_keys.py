"""Which array of several is taken, and which are never taken unasked."""

import numpy as np
import pytest
import scipy.io
import torch

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data import load_data
from mnemoscope.data.choosing import Entry, chosen_key, split_of
from mnemoscope.data.load import read_examples
from mnemoscope.data.reading import Reading


def chosen(*names: str, **reading: str) -> str:
    entries = {name: Entry((5, 4)) for name in names}
    return chosen_key(entries, "it", Reading(**reading)).key


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["x_train", "x_test", "y_train", "y_test"], "x_train"),
        (["train_images", "val_images", "test_images", "train_labels"], "train_images"),
        (["X", "x"], "X"),
        (["images", "masks"], "images"),
        (["spectra", "labels"], "spectra"),
        (["train/x", "test/x"], "train/x"),
        (["layers/counts", "X", "obsm/X_pca"], "X"),
        (["data/X", "data/y"], "data/X"),
        (["X_train", "X"], "X"),
    ],
)
def test_the_one_that_is_meant(names: list[str], key: str):
    assert chosen(*names) == key


def test_a_split_is_chosen_by_name():
    assert chosen("x_train", "x_test", split="test") == "x_test"
    assert chosen("train_images", "val_images", split="validation") == "val_images"
    with pytest.raises(MnemoscopeError, match=r"split 'test' of it, which holds x_train, x_val"):
        chosen("x_train", "x_val", split="test")


def test_several_that_could_be_meant():
    with pytest.raises(MnemoscopeError, match="which holds left, right; expected one array"):
        chosen("left", "right")


def test_vectors_are_no_examples_beside_an_array():
    entries = {"spectra": Entry((5, 4)), "times": Entry((5,)), "names": Entry((5, 2), False)}
    assert chosen_key(entries, "it", Reading()).key == "spectra"


@pytest.mark.parametrize(
    ("name", "split"),
    [("x_train", "train"), ("testImages", "test"), ("val/x", "validation"), ("strain", None),
     ("train_test", None)],
)  # fmt: skip
def test_the_split_that_a_name_says(name: str, split: str | None):
    assert split_of(name) == split


X = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ([{"x": row, "y": 1} for row in X], None),
        ([(row, 3) for row in X], None),
        (list(X), None),
        ((X, torch.arange(5)), "0"),
        ({"a": {"b": {"x": X, "label": torch.arange(5)}}}, "a/b/x"),
        ({"epoch": 3, "x": X}, None),
    ],
)
def test_containers_of_a_pt_file(content: object, key: str | None, tmp_path):
    torch.save(content, tmp_path / "x.pt")
    found = read_examples(tmp_path / "x.pt")
    assert torch.equal(found.X, X)
    assert found.key == key


def test_tensors_of_a_list_that_differ_in_shape(tmp_path, refusal):
    torch.save([torch.rand(4), torch.rand(4), torch.rand(5)], tmp_path / "x.pt")
    assert "entry 2 (5,)" in refusal(tmp_path / "x.pt")
    torch.save([{"x": torch.rand(4)}, {"y": torch.rand(4)}], tmp_path / "x.pt")
    assert "entry 1 none" in refusal(tmp_path / "x.pt")


def test_a_torchscript_program_is_no_data(tmp_path, refusal):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "x.pt")
    message = refusal(tmp_path / "x.pt")
    assert "TorchScript" in message
    assert "weights_only" not in message


def test_examples_on_the_last_axis_of_a_matlab_file(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 7, 3, 5), dtype=np.uint8)
    scipy.io.savemat(tmp_path / "x.mat", {"X": pictures, "y": np.arange(5)[:, None]})
    found = load_data(tmp_path / "x.mat")
    assert found.shape == (5, 3, 6, 7)
    np.testing.assert_allclose(found, pictures.transpose(3, 2, 0, 1) / 255, rtol=1e-6)


def test_fields_of_a_matlab_structure(tmp_path):
    scipy.io.savemat(tmp_path / "x.mat", {"data": {"X": X[:, 0].numpy(), "y": np.arange(5)}})
    found = read_examples(tmp_path / "x.mat")
    assert torch.equal(found.X, X[:, 0])
    assert found.key == "data/X"


def test_a_matlab_file_of_version_7_3_has_its_axes_in_reverse(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "x.mat", "w", userblock_size=512) as file:
        file["X"] = X.numpy().T
    with (tmp_path / "x.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b" " * 8 + b"\0\2IM")
    assert torch.equal(load_data(tmp_path / "x.mat"), X)


def test_hdf5_datasets_in_other_files_are_not_read(tmp_path, refusal):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = X.numpy()
    layout = h5py.VirtualLayout(shape=X.shape, dtype="f4")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", shape=X.shape)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
        file["link"] = h5py.ExternalLink("other.h5", "x")
    assert "in other files" in refusal(tmp_path / "x.h5")
