"""Arrays in memory and in files become float32; nothing is ever unpickled."""

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
from sklearn.preprocessing import MinMaxScaler
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data import load_data
from mnemoscope.data.readers import suffixes
from mnemoscope.data.reading import Reading

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


def test_the_endings_of_arrays_have_a_reader():
    assert set(WRITERS) <= set(suffixes())


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

    def test_the_only_one_that_can_be_examples_is_taken(self, ending: str, tmp_path: Path):
        WRITERS[ending]({"faces": X, "labels": Y, "masks": X + 1}, tmp_path / f"x{ending}")
        assert torch.equal(load_data(tmp_path / f"x{ending}"), X)

    def test_others_are_reported_by_name(self, ending: str, tmp_path: Path, refusal):
        WRITERS[ending]({"faces": X + 1, "places": X, "labels": Y}, tmp_path / f"x{ending}")
        message = refusal(tmp_path / f"x{ending}")
        assert "faces, places, labels" in message or "faces, labels, places" in message
        assert "--key NAME" in message
        assert torch.equal(load_data(tmp_path / f"x{ending}", key="places"), X)
        assert "faces" in refusal(tmp_path / f"x{ending}", key="face")


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
        message = refusal(path)
        assert str(path) in message
        assert "cannot be read" in message
        assert "pickle" not in message

    @pytest.mark.parametrize("other", WRITERS)
    def test_the_content_of_an_array_file_goes_before_its_ending(
        self, ending: str, other: str, tmp_path: Path
    ):
        path = tmp_path / f"x{ending}"
        WRITERS[other]({"X": X}, tmp_path / f"y{other}")
        (tmp_path / f"y{other}").rename(path)
        assert torch.equal(load_data(path), X)

    @pytest.mark.parametrize("kind", ["PNG", "text", "JPEG"])
    def test_a_file_of_another_kind(self, ending: str, kind: str, tmp_path: Path, refusal):
        path = tmp_path / f"x{ending}"
        if kind == "text":
            path.write_text("label,pixel\n" * 50)
        else:
            Image.new("RGB", (8, 8)).save(path, kind)
        message = refusal(path)
        assert "cannot be read" in message
        assert "pickle" not in message

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
            assert bool(torch.isfinite(found).all())

    def test_an_unreadable_file(self, ending: str, tmp_path: Path, refusal, unreadable):
        path = tmp_path / f"x{ending}"
        WRITERS[ending]({"X": X}, path)
        assert str(path) in refusal(unreadable(path))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    def test_nan_and_infinity_are_reported_by_place(
        self, ending: str, bad: float, tmp_path: Path, refusal
    ):
        spoilt = X.clone()
        spoilt[2, 1, 3, 4] = spoilt[3, 0, 0, 0] = bad
        path = tmp_path / f"x{ending}"
        WRITERS[ending]({"X": spoilt}, path)
        message = refusal(path)
        assert "example 2 at (1, 3, 4)" in message
        assert "2 such numbers" in message
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
    "next.pt": lambda trap, path: torch.save({"X": X, "y": trap}, path),
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
        message = refusal(path)
    assert "holds pickled objects" in message
    assert "never unpickled" in message


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.safetensors", "x.pkl", "x.joblib", "x"])
@pytest.mark.parametrize("protocol", [0, 5])
def test_a_bare_pickle_of_any_name_is_refused(
    name: str, protocol: int, trap, tmp_path: Path, refusal
):
    (tmp_path / name).write_bytes(pickle.dumps(trap, protocol=protocol))
    message = refusal(tmp_path / name)
    assert str(tmp_path / name) in message
    assert name not in ("x.pkl", "x.joblib") or "a pickle is never read" in message


def test_objects_beside_the_array_stay_unread(trap, tmp_path: Path):
    np.savez(tmp_path / "x.npz", X=X.numpy(), y=_objects(trap))
    assert torch.equal(load_data(tmp_path / "x.npz"), X)


@pytest.mark.parametrize("content", [3, {"lr": 0.1}, [1, 2]], ids=["number", "no tensor", "list"])
def test_a_pt_file_without_a_tensor(content: object, tmp_path: Path, refusal):
    torch.save(content, tmp_path / "x.pt")
    assert "without a tensor" in refusal(tmp_path / "x.pt")


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
        ((2, 28, 3), (2, 1, 28, 3)),
        ((2, 1, 5, 6), (2, 1, 5, 6)),
        ((2, 3, 5, 6), (2, 3, 5, 6)),
        ((2, 5, 6, 1), (2, 1, 5, 6)),
        ((2, 5, 6, 3), (2, 3, 5, 6)),
        ((2, 5, 6, 4), (2, 4, 5, 6)),
        ((2, 5, 6, 5), (2, 5, 6, 5)),
        ((2, 2, 9, 4), (2, 4, 2, 9)),
        ((2, 16, 4, 4), (2, 16, 4, 4)),
        ((2, 3, 8, 3), (2, 3, 8, 3)),
        ((2, 2, 2, 2, 2), (2, 2, 2, 2, 2)),
    ],
)
def test_pictures_have_their_channels_first(given_shape: tuple, shape: tuple):
    assert load_data(np.full(given_shape, 200, np.uint8)).shape == shape
    # What is no picture keeps its shape: a series may well have three channels.
    for array in (np.zeros(given_shape), np.ones(given_shape, np.uint8), np.ones(given_shape, int)):
        assert load_data(array).shape == given_shape


def test_each_channel_stays_itself():
    last = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    found = load_data(last)
    for channel in range(3):
        np.testing.assert_allclose(found[:, channel].numpy(), last[..., channel] / 255, rtol=1e-6)


def test_the_caller_may_say_where_the_channels_are(refusal):
    last = np.random.default_rng(0).random((2, 5, 6, 7), dtype=np.float32)
    found = load_data(last, reading=Reading(channels_last=True))
    assert np.array_equal(found.numpy(), last.transpose(0, 3, 1, 2))
    series = load_data(last[:, 0], reading=Reading(channels_last=True))
    assert np.array_equal(series.numpy(), last[:, 0].transpose(0, 2, 1))
    bytes_ = np.full((2, 5, 6, 3), 200, np.uint8)
    assert load_data(bytes_, reading=Reading(channels_last=False)).shape == (2, 5, 6, 3)
    assert "channels_last" in refusal(np.zeros((2, 3)), reading=Reading(channels_last=True))


@pytest.mark.parametrize(
    ("array", "message"),
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
        (np.array([[0, 1e300]]), "finite numbers"),
    ],
)
def test_what_is_no_examples_is_reported(array: np.ndarray | torch.Tensor, message: str, refusal):
    assert message in refusal(array)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 255.0), (-1e-3, 2e-3), (0.0, 1.001)])
def test_numbers_keep_their_range(low: float, high: float):
    assert load_data(np.array([[low, high]], np.float32)).tolist() == [
        [float(np.float32(low)), float(np.float32(high))]
    ]


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1 + 2**-52), (0.0, 1 + 2**-23), (-1e-9, 0.9), (-1e-7, 1 + 1e-7)]
)
def test_what_rounding_left_outside_the_unit_interval_is_clipped(low: float, high: float):
    found = load_data(np.array([[low, 0.25, high]]))
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.tolist()[0][1] == 0.25


def test_small_numbers_of_both_signs_are_not_clipped():
    assert load_data(np.array([[-1e-9, 1e-9]])).min() < 0


def test_columns_that_a_scaler_brought_to_the_unit_interval():
    X = np.random.default_rng(0).random((200, 50))
    scaled = MinMaxScaler().fit_transform(X)
    assert scaled.max() > 1
    assert load_data(scaled).max() == 1
    assert load_data(scaled.astype(np.float32)).max() == 1


def test_a_range_that_the_caller_names_becomes_the_unit_interval(refusal):
    found = load_data(np.array([[-1024, 3071]], np.int16), scale=(-1024, 3071))
    assert found.tolist() == [[0, 1]]
    assert load_data(np.array([[0.0, 127.5]]), scale=(0, 255)).tolist() == [[0, 0.5]]
    assert load_data(np.array([[0, 255]], np.uint8), scale=(0, 510)).tolist() == [[0, 0.5]]
    for wrong in ((1, 0), (0, float("inf")), "0,1", (0,), 3):
        assert "scale=" in refusal(np.zeros((1, 2)), scale=wrong)


@pytest.mark.parametrize("wrap", [torch.Tensor.clone, torch.Tensor.numpy])
def test_what_is_loaded_is_a_copy(wrap: Callable):
    source = wrap(X.clone())
    load_data(source).zero_()
    assert np.array_equal(source, X.numpy())
