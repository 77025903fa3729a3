"""One file holds a network's weights and its spec; any other file is refused with its kind."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets import (
    FullyConnected,
    Network,
    Spec,
    TrainingRecord,
    load,
    read_metadata,
    save,
    weights_file,
)

SPEC = FullyConnected(shape=(3,), width=2, depth=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.safetensors"


def message(path: Path) -> str:
    with pytest.raises(MnemoscopeError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def rewrite(path: Path, *, weights: dict | None = None, metadata: dict | None = None) -> None:
    """Saves a network of SPEC, then writes the file again with parts of it exchanged."""
    save(SPEC.build(), path)
    tensors = {**load_file(path), **(weights or {})}
    said = {**read_metadata(path), **(metadata or {})}
    save_file(
        {name: tensor for name, tensor in tensors.items() if tensor is not None},
        path,
        {name: text for name, text in said.items() if text is not None},
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_network_comes_back_to_the_bit(spec: Spec, dtype: torch.dtype, path: Path):
    net = spec.build(seed=3, dtype=dtype)
    save(net, path)
    twin = load(path)
    assert isinstance(twin, Network)
    assert twin.spec == spec
    assert twin.training_record is None
    assert list(twin.state_dict()) == list(net.state_dict())
    for name, weight in net.state_dict().items():
        assert twin.state_dict()[name].dtype == dtype
        assert torch.equal(twin.state_dict()[name], weight)
    Z = torch.randn(2, *spec.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    # Where weights lie in memory may decide the order of a product's sums.
    torch.testing.assert_close(twin(Z), net(Z))


def test_the_training_record_comes_back(path: Path, record: TrainingRecord):
    net = SPEC.build()
    net.training_record = record
    save(net, path)
    assert load(path).training_record == record


def test_a_loaded_network_can_be_trained_and_saved_again(path: Path):
    save(SPEC.build(), path)
    net = load(path)
    assert all(parameter.requires_grad for parameter in net.parameters())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.sub_(1)
    save(net, path)
    for a, b in zip(net.parameters(), load(path).parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_loaded_network_outlives_a_change_of_its_file(path: Path):
    save(SPEC.build(seed=1), path)
    net = load(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\xff" * size)
    for a, b in zip(net.parameters(), SPEC.build(seed=1).parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_metadata_is_text_anyone_can_read(path: Path, record: TrainingRecord):
    net = SPEC.build()
    save(net, path)
    assert read_metadata(path) == {"format": "mnemoscope/1", "spec": SPEC.to_json()}
    net.training_record = record
    save(net, path)
    assert json.loads(read_metadata(path)["training_record"])["steps"] == 1_234


def test_someone_elses_metadata_may_be_none(path: Path):
    save_file({"w": torch.ones(2)}, path)
    assert read_metadata(path) == {}


def test_weights_that_are_views_of_one_stack_are_saved(path: Path):
    net = SPEC.build()
    stack = torch.arange(40.0)
    taken = 0
    for parameter in net.parameters():
        parameter.data = stack[taken : taken + parameter.numel()].view_as(parameter)
        taken += parameter.numel()
    save(net, path)
    for a, b in zip(net.parameters(), load(path).parameters(), strict=True):
        assert torch.equal(a, b)


def test_transposed_weights_are_saved(path: Path):
    net = SPEC.build()
    first = next(net.parameters())
    first.data = first.data.t().contiguous().t()
    save(net, path)
    assert torch.equal(load(path).state_dict()["body.linear_1.weight"], first)


def test_missing_folders_are_made(tmp_path: Path):
    save(SPEC.build(), tmp_path / "a" / "b" / "net.safetensors")
    assert load(str(tmp_path / "a" / "b" / "net.safetensors")).spec == SPEC


@pytest.mark.parametrize("crash", [KeyboardInterrupt, OSError("disk full"), MemoryError])
def test_a_crash_in_saving_leaves_the_old_file_whole(path: Path, monkeypatch, crash):
    save(SPEC.build(seed=1), path)
    before = path.read_bytes()

    def half(tensors, filename, metadata):
        Path(filename).write_bytes(before[:50])
        raise crash

    monkeypatch.setattr(weights_file, "save_file", half)
    expected = MnemoscopeError if isinstance(crash, OSError) else crash
    with pytest.raises(expected):
        save(SPEC.build(seed=2), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("module", [nn.Linear(2, 2, device="meta"), nn.Sequential(SPEC.build())])
def test_a_module_without_a_spec_is_not_saved(module: nn.Module, path: Path):
    with pytest.raises(MnemoscopeError, match=type(module).__name__):
        save(module, path)
    assert not path.exists()


def test_a_network_whose_layers_were_exchanged_is_not_saved(path: Path):
    net = SPEC.build()
    net.body.linear_1 = nn.Linear(3, 7, device="meta").to_empty(device="cpu")  # pyright: ignore
    with pytest.raises(MnemoscopeError, match=r"linear_1.weight of shape \(7, 3\), not \(2, 3\)"):
        save(net, path)
    assert not path.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_neither_saved_nor_loaded(path: Path, value: float):
    net = SPEC.build()
    with torch.no_grad():
        net.body.linear_2.bias[1] = value  # pyright: ignore
    with pytest.raises(MnemoscopeError, match=r"NaN or infinite: body\.linear_2\.bias"):
        save(net, path)
    assert not path.exists()
    rewrite(path, weights={"body.linear_2.bias": torch.full((3,), value)})
    assert "NaN or infinite: body.linear_2.bias" in message(path)


def test_a_folder_that_is_a_file_cannot_be_saved_into(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MnemoscopeError, match="cannot write"):
        save(SPEC.build(), tmp_path / "file" / "net.safetensors")
    with pytest.raises(MnemoscopeError, match="is a folder"):
        save(SPEC.build(), tmp_path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    assert "No such file" in message(tmp_path / "none.safetensors")
    assert "Is a directory" in message(tmp_path)


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "is a JPEG picture"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", "is a NumPy array"),
        (b"PK\x03\x04" + bytes(100), "is a zip archive"),
        (b"hello, I am a text and no weights at all", "is not a safetensors file"),
        (b"x", "is not a safetensors file"),
        (b"\x80", "is not a safetensors file"),
    ],
)
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes, fragment: str):
    path.write_bytes(content)
    assert fragment in message(path)
    with pytest.raises(MnemoscopeError, match=fragment):
        read_metadata(path)


class Bomb:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_refused_and_never_unpickled(path: Path, tmp_path: Path, protocol: int):
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "trace"), protocol=protocol))
    assert "is a pickle" in message(path)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pytorch_file_is_refused_and_never_unpickled(path: Path, tmp_path: Path, zipped: bool):
    content = {"w": torch.ones(2), "bomb": Bomb(tmp_path / "trace")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert "is a pickle (a PyTorch .pt file?)" in message(path)
    assert not (tmp_path / "trace").exists()


def test_a_header_that_begins_like_a_pickle_is_none(path: Path):
    pad = 0
    while True:
        rewrite(path, metadata={"pad": "x" * pad})
        if path.read_bytes().startswith(b"\x80\x02"):
            break
        assert pad < 1_000, "no header of 640 bytes came up"
        pad += 4
    assert load(path).spec == SPEC


def test_a_file_that_is_cut_off_anywhere_is_refused(path: Path):
    save(SPEC.build(), path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        text = message(path)
        if length > 8:
            assert "cut off or damaged" in text


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_byte_gives_a_network_or_one_line(path: Path, data: st.DataObject):
    save(SPEC.build(), path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        loaded = load(path)
    except MnemoscopeError:
        return
    assert isinstance(loaded, Network)


def test_someone_elses_safetensors_is_refused(path: Path):
    save_file({"w": torch.ones(2)}, path, {"format": "pt"})
    assert "is a safetensors file without a spec" in message(path)


@pytest.mark.parametrize(
    ("metadata", "fragment"),
    [
        ({"format": "mnemoscope/2"}, "format 'mnemoscope/2'"),
        ({"format": None}, "format None"),
        ({"spec": "{"}, "cannot be parsed"),
        ({"spec": '{"kind": "rnn"}'}, "kind='rnn'"),
        ({"spec": SPEC.to_json().replace("depth", "dpth")}, "dpth"),
        ({"training_record": "{}"}, "no options"),
        (
            {"spec": FullyConnected(shape=(2**31 - 1,), width=2**31 - 1).to_json()},
            "memory",
        ),
        ({"spec": FullyConnected(shape=(3,), width=2, depth=1).to_json()}, "has body.linear_2"),
        ({"spec": FullyConnected(shape=(3,), width=2, depth=3).to_json()}, "lacks body.linear_3"),
        (
            {"spec": FullyConnected(shape=(3,), width=5, depth=2).to_json()},
            "has body.linear_1.weight of shape (2, 3), not (5, 3)",
        ),
        (
            {"spec": FullyConnected(shape=(3,), width=2, depth=2, bias=False).to_json()},
            "has body.linear_1.bias (2,), has body.linear_2.bias (3,)",
        ),
    ],
)
def test_metadata_that_does_not_fit_is_refused(path: Path, metadata: dict, fragment: str):
    rewrite(path, metadata=metadata)
    assert fragment in message(path)
    assert str(path) in message(path)


@pytest.mark.parametrize(
    ("weights", "fragment"),
    [
        ({"body.linear_2.bias": None}, "lacks body.linear_2.bias (3,)"),
        ({"extra": torch.ones(1)}, "has extra (1,)"),
        (
            {"body.linear_2.bias": torch.ones(4)},
            "has body.linear_2.bias of shape (4,), not (3,)",
        ),
        (
            {"body.linear_2.bias": torch.ones(3, dtype=torch.int32)},
            "no real numbers: body.linear_2.bias (torch.int32)",
        ),
        ({f"extra_{i}": torch.ones(1) for i in range(5)}, "and 2 more"),
    ],
)
def test_weights_that_do_not_fit_their_spec_are_named(path: Path, weights: dict, fragment: str):
    rewrite(path, weights=weights)
    assert fragment in message(path)


def test_a_device_that_cannot_be_used_is_refused(path: Path):
    save(SPEC.build(), path)
    with pytest.raises(MnemoscopeError, match="cup") as error:
        load(path, device="cup")
    assert error.value.field == "device"
