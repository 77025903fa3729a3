"""Arrays in memory and in files become float32 in [0, 1]; nothing is ever unpickled."""

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from mnemoscope.data import load_data
from mnemoscope.data.arrays import READERS
from mnemoscope.errors import MnemoscopeError

X = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(4)


def _npy(arrays: dict, path: Path) -> None:
    np.save(path, arrays["X"].numpy())


def _npz(arrays: dict, path: Path) -> None:
    np.savez(path, **{name: array.numpy() for name, array in arrays.items()})


def _pt(arrays: dict, path: Path) -> None:
    torch.save(arrays["X"] if len(arrays) == 1 else arrays, path)


WRITERS: dict[str, Callable[[dict, Path], None]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _pt,
    ".pth": _pt,
    ".safetensors": save_file,
}
ENDINGS = pytest.mark.parametrize("ending", WRITERS)


def test_every_ending_that_is_read_is_tested():
    assert set(WRITERS) == set(READERS)


@ENDINGS
def test_a_file_of_one_array_comes_back_to_the_bit(ending: str, tmp_path: Path):
    path = tmp_path / f"x{ending}"
    WRITERS[ending]({"X": X}, path)
    assert torch.equal(load_data(path), X)
    assert torch.equal(load_data(str(path), n=2, offset=1), X[1:3])
    path = path.rename(tmp_path / f"x{ending.upper()}")
    assert torch.equal(load_data(path), X)


@pytest.mark.parametrize("ending", [".npz", ".pt", ".safetensors"])
class TestSeveralArrays:
    @pytest.mark.parametrize("name", ["X", "x", "images", "data"])
    def test_the_one_with_a_known_name_is_taken(self, ending: str, name: str, tmp_path: Path):
        WRITERS[ending]({"a": Y, name: X, "z": Y + 1}, tmp_path / f"x{ending}")
        assert torch.equal(load_data(tmp_path / f"x{ending}"), X)

    def test_the_only_one_needs_no_name(self, ending: str, tmp_path: Path):
        path = tmp_path / f"x{ending}"
        if ending == ".pt":
            torch.save({"faces": X}, path)
        else:
            WRITERS[ending]({"faces": X}, path)
        assert torch.equal(load_data(path), X)

    def test_others_are_told_by_name(self, ending: str, tmp_path: Path, refusal):
        WRITERS[ending]({"faces": X, "labels": Y}, tmp_path / f"x{ending}")
        told = refusal(tmp_path / f"x{ending}")
        assert "faces" in told
        assert "labels" in told
        assert "rename" in told


def test_an_old_pt_file_is_read(tmp_path: Path):
    torch.save(X, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(load_data(tmp_path / "x.pt"), X)


@ENDINGS
class TestDamaged:
    def test_an_empty_file(self, ending: str, tmp_path: Path, refusal):
        path = tmp_path / f"x{ending}"
        path.touch()
        assert f"{path}, which is empty" in refusal(path)

    @pytest.mark.parametrize("kept", [1, 7, 20, 100, 0.5, -1])
    def test_a_file_cut_off_is_not_taken_for_a_pickle(
        self, ending: str, kept: float, tmp_path: Path, refusal
    ):
        path = tmp_path / f"x{ending}"
        WRITERS[ending]({"X": X}, path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else int(kept)])
        told = refusal(path)
        assert str(path) in told
        assert "cannot be read" in told
        assert "pickle" not in told

    @pytest.mark.parametrize("other", WRITERS)
    def test_an_array_file_under_another_ending(
        self, ending: str, other: str, tmp_path: Path, refusal
    ):
        path = tmp_path / f"x{ending}"
        WRITERS[other]({"X": X}, tmp_path / f"y{other}")
        (tmp_path / f"y{other}").rename(path)
        if READERS[ending] is READERS[other]:
            assert torch.equal(load_data(path), X)
        else:
            assert "expected a whole" in refusal(path)

    @pytest.mark.parametrize("kind", ["PNG", "text", "JPEG"])
    def test_a_file_of_another_kind(self, ending: str, kind: str, tmp_path: Path, refusal):
        path = tmp_path / f"x{ending}"
        if kind == "text":
            path.write_text("label,pixel\n" * 50)
        else:
            Image.new("RGB", (8, 8)).save(path, kind)
        told = refusal(path)
        assert "cannot be read" in told
        assert "pickle" not in told

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(place=st.integers(0, 400), junk=st.binary(min_size=1, max_size=40))
    def test_overwritten_bytes_are_refused_or_read_never_a_crash(
        self, ending: str, tmp_path: Path, refusal, place: int, junk: bytes
    ):
        path = tmp_path / f"x{ending}"
        WRITERS[ending]({"X": X[:1, :1]}, path)
        content = path.read_bytes()
        path.write_bytes(content[:place] + junk + content[place + len(junk) :])
        try:
            found = load_data(path)
        except MnemoscopeError:
            refusal(path)
        else:
            assert found.dtype == torch.float32
            assert float(found.min()) >= 0
            assert float(found.max()) <= 1

    def test_an_unreadable_file(self, ending: str, tmp_path: Path, refusal, unreadable):
        path = tmp_path / f"x{ending}"
        WRITERS[ending]({"X": X}, path)
        assert str(path) in refusal(unreadable(path))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_nan_and_infinity_are_told_by_place(
        self, ending: str, bad: float, tmp_path: Path, refusal
    ):
        spoilt = X.clone()
        spoilt[2, 1, 3, 4] = spoilt[3, 0, 0, 0] = bad
        path = tmp_path / f"x{ending}"
        WRITERS[ending]({"X": spoilt}, path)
        told = refusal(path)
        assert "example 2 at (1, 3, 4)" in told
        assert "2 such numbers" in told
        assert "example 2 at (1, 3, 4)" in refusal(path, offset=2)
        assert torch.equal(load_data(path, n=2), X[:2])


def _archive(path: Path, member: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", member)


def _objects(trap) -> np.ndarray:
    return np.array([trap, 1], dtype=object)


def _object_npy(trap) -> bytes:
    stream = io.BytesIO()
    np.save(stream, _objects(trap), allow_pickle=True)
    return stream.getvalue()


PICKLES: dict[str, Callable[..., object]] = {
    "objects.npy": lambda trap, path: path.write_bytes(_object_npy(trap)),
    "objects.npz": lambda trap, path: _archive(path, _object_npy(trap)),
    "objects.pt": lambda trap, path: torch.save(trap, path),
    "beside.pt": lambda trap, path: torch.save({"X": X, "y": trap}, path),
    "old.pt": lambda trap, path: torch.save(trap, path, _use_new_zipfile_serialization=False),
    "pickle.pt": lambda trap, path: path.write_bytes(pickle.dumps(trap)),
    "protocol2.pth": lambda trap, path: path.write_bytes(pickle.dumps(trap, protocol=2)),
    "module.pt": lambda trap, path: torch.save(nn.ReLU(), path),
    "oldmodule.pt": lambda trap, path: torch.save(
        nn.ReLU(), path, _use_new_zipfile_serialization=False
    ),
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickled_objects_are_refused_and_nothing_runs(name: str, trap, tmp_path: Path, refusal):
    path = tmp_path / name
    PICKLES[name](trap, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = refusal(path)
    assert "holds pickled objects" in told
    assert "never unpickled" in told


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.safetensors", "x.pkl", "x.joblib", "x"])
@pytest.mark.parametrize("protocol", [0, 5])
def test_a_bare_pickle_of_any_name_is_refused(
    name: str, protocol: int, trap, tmp_path: Path, refusal
):
    (tmp_path / name).write_bytes(pickle.dumps(trap, protocol=protocol))
    told = refusal(tmp_path / name)
    assert str(tmp_path / name) in told
    assert name not in ("x.pkl", "x.joblib") or "a pickle is never read" in told


def test_objects_beside_the_array_stay_unread(trap, tmp_path: Path):
    np.savez(tmp_path / "x.npz", X=X.numpy(), y=_objects(trap))
    assert torch.equal(load_data(tmp_path / "x.npz"), X)


@pytest.mark.parametrize("content", [[X], 3, {"lr": 0.1}], ids=["list", "number", "no tensor"])
def test_a_pt_file_without_a_tensor(content: object, tmp_path: Path, refusal):
    torch.save(content, tmp_path / "x.pt")
    told = refusal(tmp_path / "x.pt")
    assert "not a tensor" in told or "no array" in told


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "longdouble", ">f4", ">f8", "bool"]
)
def test_numbers_in_the_unit_interval_stay(dtype: str):
    found = load_data(np.array([[0, 1], [1, 0]]).astype(dtype))
    assert found.dtype == torch.float32
    assert found.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float64]
)
def test_tensors_of_any_precision(dtype: torch.dtype):
    found = load_data(torch.tensor([[0.5, 0.25]]).to(dtype).requires_grad_())
    assert found.dtype == torch.float32
    assert not found.requires_grad
    assert found.tolist() == [[0.5, 0.25]]


@pytest.mark.parametrize(
    ("given_shape", "shape"),
    [
        ((2, 5), (2, 5)),
        ((2, 5, 6), (2, 1, 5, 6)),
        ((2, 1, 5, 6), (2, 1, 5, 6)),
        ((2, 3, 5, 6), (2, 3, 5, 6)),
        ((2, 5, 6, 1), (2, 1, 5, 6)),
        ((2, 5, 6, 3), (2, 3, 5, 6)),
        ((2, 5, 6, 4), (2, 5, 6, 4)),
        ((2, 5, 6, 5), (2, 5, 6, 5)),
        ((2, 2, 9, 4), (2, 2, 9, 4)),
        ((2, 16, 4, 4), (2, 16, 4, 4)),
        ((2, 3, 8, 3), (2, 3, 8, 3)),
        ((2, 2, 2, 2, 2), (2, 2, 2, 2, 2)),
    ],
)
def test_pictures_have_their_channels_first(given_shape: tuple, shape: tuple):
    assert load_data(np.zeros(given_shape)).shape == shape


def test_each_channel_stays_itself():
    last = np.random.default_rng(0).random((2, 5, 6, 3), dtype=np.float32)
    found = load_data(last)
    for channel in range(3):
        assert np.array_equal(found[:, channel].numpy(), last[..., channel])


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.array([["a"]]), "<U1"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.zeros((2, 2), dtype="M8[s]"), "datetime64"),
        (np.array([[None]]), "object"),
        (torch.zeros(2, 2, dtype=torch.complex64), "complex64"),
        (torch.zeros(2, 2).to_sparse(), "sparse"),
        (torch.zeros(2, 2, device="meta"), "meta"),
        (np.zeros(4), "(4,)"),
        (np.array(0.5), "no examples"),
        (np.zeros((0, 4)), "no examples"),
        (np.zeros((4, 0)), "(4, 0)"),
        (np.array([[0, 1.5]]), "from 0 to 1.5"),
        (np.array([[0, 1 + 1e-8]]), "to 1.00000001"),
        (np.array([[-1.0, 1]]), "from -1 to 1"),
        (np.array([[0, 1e300]]), "to 1e+300"),
    ],
)
def test_what_is_no_examples_is_told(array: np.ndarray | torch.Tensor, told: str, refusal):
    assert told in refusal(array)


@pytest.mark.parametrize(
    ("numbers", "todo"), [([0.0, 255], "divide them by 255"), ([-1.0, 1], "(X + 1) / 2")]
)
def test_a_known_scale_is_told_how_to_mend(numbers: list, todo: str, refusal):
    assert todo in refusal(np.array([numbers]))


@pytest.mark.parametrize("wrap", [torch.Tensor.clone, torch.Tensor.numpy])
def test_what_is_loaded_is_a_copy(wrap: Callable):
    source = wrap(X.clone())
    load_data(source).zero_()
    assert np.array_equal(source, X.numpy())
