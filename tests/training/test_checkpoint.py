import math

import pytest
import torch
from safetensors.torch import save_file

import mnemoscope as mn
from mnemoscope.training.checkpoint import FORMAT, read_checkpoint, write_checkpoint


def same(one, other):
    """Whether two nests are equal; tensors to the bit, in dtype and shape."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and type(one) is type(other)


def test_a_nest_comes_back_as_it_was(tmp_path):
    shared = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = {
        "numbers": [1, 0.1, 1e-300, math.inf, True, None, "text"],
        "by index": {0: {"step": torch.tensor(3.0)}, 1: {}},
        "shared": shared,
        "part of it, not contiguous": shared[:, ::2].T,
        "empty": torch.empty(0, 3),
        "whole": torch.tensor([2**62], dtype=torch.int64),
        "nested": {"deep": [[torch.ones(2, dtype=torch.bfloat16), []]]},
    }
    write_checkpoint(tmp_path / "new" / "c", state)
    assert same(read_checkpoint(tmp_path / "new" / "c"), state)


def test_a_write_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "c"
    write_checkpoint(path, {"step": 1})
    with pytest.raises(TypeError):
        write_checkpoint(path, {"step": object()})
    assert read_checkpoint(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def cut(path):
    write_checkpoint(path, {"w": torch.randn(100, generator=torch.Generator().manual_seed(0))})
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    "make",
    [
        cut,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("some notes"),
        lambda path: path.mkdir(),
        lambda path: save_file({"w": torch.ones(2)}, path),
        lambda path: save_file({"w": torch.ones(2)}, path, {"format": "mnemoscope-weights/1"}),
        lambda path: save_file({"w": torch.ones(2)}, path, {"format": FORMAT}),
        lambda path: save_file({}, path, {"format": FORMAT, "state": "{"}),
        lambda path: None,
    ],
    ids=[
        "cut off", "empty", "text", "a folder", "no format", "weights", "no state", "half a state",
        "missing",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused_and_left_as_it_was(make, tmp_path):
    path = tmp_path / "c"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(mn.MnemoscopeError, match="cannot be read as a checkpoint") as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert before is None or path.read_bytes() == before
