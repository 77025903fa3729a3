"""Each format is read from a file that its own library wrote, and refused where it is cut off."""

import gzip
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.io
import scipy.sparse
import torch
from safetensors.torch import save_file

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data import load_data
from mnemoscope.data.readers import READERS

RNG = np.random.default_rng(0)
TABLE = RNG.random((6, 4)).astype(np.float32)
BYTES = RNG.integers(0, 256, (6, 5, 5), dtype=np.uint8)
SOUND = RNG.integers(-(2**15), 2**15, (1, 2, 50)).astype(np.int16)


def _h5(path: Path) -> np.ndarray:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(path, "w") as file:
        file["x"] = TABLE
        file["y"] = np.arange(6)
    return TABLE


def _h5ad(kind: str) -> Callable[[Path], np.ndarray]:
    def write(path: Path) -> np.ndarray:
        anndata = pytest.importorskip("anndata", reason="anndata is not installed")
        pandas = pytest.importorskip("pandas")
        sparse = scipy.sparse.random(6, 4, 0.5, format=kind or "csr", random_state=0)
        dense = TABLE if not kind else sparse.toarray()
        # anndata cannot write the strings that pandas 3 makes of names by itself.
        names = [pandas.Index([f"n{i}" for i in range(n)], dtype=object) for n in (6, 4)]
        made = anndata.AnnData(TABLE if not kind else sparse)
        made.obs.index, made.var.index = names
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.write_h5ad(path)
        return dense

    return write


def _idx(path: Path) -> np.ndarray:
    head = struct.pack(">HBB3I", 0, 8, 3, *BYTES.shape)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(head + BYTES.tobytes())
    return BYTES[:, None] / 255


def _dicom(path: Path) -> np.ndarray:
    pytest.importorskip("pydicom", reason="pydicom is not installed")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    stored = RNG.integers(0, 4096, (7, 5)).astype(np.uint16)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = Dataset()
    made.file_meta = meta
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    made.Rows, made.Columns, made.SamplesPerPixel = 7, 5, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.RescaleSlope, made.RescaleIntercept = "2", "-1024"
    made.PixelData = stored.tobytes()
    made.save_as(path, enforce_file_format=True)
    return (2.0 * stored - 1024)[None, None]


def _wav(path: Path) -> np.ndarray:
    scipy.io.wavfile.write(path, 8000, SOUND[0].T)
    return SOUND / 2**15


def _cifar(path: Path) -> np.ndarray:
    pictures = RNG.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    records = np.concatenate([np.full((3, 1), 7, np.uint8), pictures.reshape(3, -1)], axis=1)
    records.tofile(path)
    return pictures / 255


def _csv(separator: str) -> Callable[[Path], np.ndarray]:
    def write(path: Path) -> np.ndarray:
        pl.DataFrame(TABLE, schema=list("abcd")).write_csv(path, separator=separator)
        return TABLE

    return write


def _saved(write: Callable[[Path], object], wanted: np.ndarray = TABLE) -> Callable:
    def writer(path: Path) -> np.ndarray:
        write(path)
        return wanted

    return writer


def _frame() -> pl.DataFrame:
    return pl.DataFrame(TABLE, schema=list("abcd"))


FILES: dict[str, Callable[[Path], np.ndarray]] = {
    "x.npy": _saved(lambda path: np.save(path, TABLE)),
    "keras.npz": _saved(lambda path: np.savez(path, x_train=TABLE, y_train=np.arange(6))),
    "med.npz": _saved(
        lambda path: np.savez(path, train_images=BYTES, train_labels=np.arange(6)),
        BYTES[:, None] / 255,
    ),
    "x.pt": _saved(lambda path: torch.save({"train": {"x": torch.from_numpy(TABLE)}}, path)),
    "x.safetensors": _saved(
        lambda path: save_file({"a/x": torch.from_numpy(TABLE), "y": torch.arange(6)}, path)
    ),
    "train-images-idx3-ubyte": _idx,
    "train-images-idx3-ubyte.gz": _idx,
    "x.idx": _idx,
    "x.h5": _h5,
    "dense.h5ad": _h5ad(""),
    "csr.h5ad": _h5ad("csr"),
    "csc.h5ad": _h5ad("csc"),
    "x.mat": _saved(lambda path: scipy.io.savemat(path, {"X": TABLE, "y": np.arange(6)})),
    "x.wav": _wav,
    "x.dcm": _dicom,
    "data_batch_1.bin": _cifar,
    "x.csv": _csv(","),
    "semicolons.csv": _csv(";"),
    "x.tsv": _csv("\t"),
    "x.parquet": _saved(lambda path: _frame().write_parquet(path)),
    "x.feather": _saved(lambda path: _frame().write_ipc(path)),
}

BINARY = [name for name in FILES if not name.endswith((".csv", ".tsv"))]


def test_every_format_is_tested():
    tested = {Path(name).suffix for name in FILES}
    for reader in READERS.values():
        assert tested.intersection(reader.suffixes) or reader.name == "IDX file"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_formats_library_wrote(name: str, tmp_path: Path):
    wanted = FILES[name](tmp_path / name)
    found = load_data(tmp_path / name)
    assert found.dtype == torch.float32
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)
    if len(wanted) > 2:
        assert torch.equal(load_data(tmp_path / name, n=2, offset=1), found[1:3])


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.8, 0.97, 0.999])
@pytest.mark.parametrize("name", BINARY)
def test_a_file_that_is_cut_off(name: str, share: float, tmp_path: Path):
    FILES[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: min(len(content) - 1, int(len(content) * share))])
    with pytest.raises(MnemoscopeError) as error:
        load_data(tmp_path / name)
    assert "\n" not in str(error.value)
    assert name in error.value.given


@pytest.mark.parametrize("name", FILES)
def test_another_kind_of_file_under_its_name(name: str, tmp_path: Path):
    (tmp_path / name).write_text("Dear reader,\n\nthis is a letter, and no data at all.\n")
    with pytest.raises(MnemoscopeError) as error:
        load_data(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["keras.npz", "x.safetensors", "x.mat", "x.h5", "x.pt"])
def test_a_missing_key_lists_those_there_are(name: str, tmp_path: Path):
    FILES[name](tmp_path / name)
    with pytest.raises(MnemoscopeError, match=r"key 'nothing' of .*(x|X)"):
        load_data(tmp_path / name, key="nothing")
