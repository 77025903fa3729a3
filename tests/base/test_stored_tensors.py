import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import mnemoscope as mn
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stored_tensors import computable
from mnemoscope.maps.weights import load_weights

EIGHT_BITS = [torch.float8_e4m3fn, torch.float8_e5m2]
X = torch.tensor([[0.5, 0.25], [1.0, 0.0]])
"""Numbers that every dtype has."""


@pytest.mark.parametrize("dtype", EIGHT_BITS)
def test_floats_of_8_bits_become_float32(dtype):
    found = computable(X.to(dtype), "x")
    assert found.dtype == torch.float32
    assert torch.equal(found, X)


@pytest.mark.parametrize("dtype", EIGHT_BITS)
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_weights_and_data_of_8_bits(tmp_path, dtype, ending):
    net, path = nn.Linear(2, 2), tmp_path / f"x{ending}"
    state = {"weight": X.to(dtype), "bias": X[0].to(dtype)}
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    load_weights(net, path)
    assert torch.equal(net.weight, X)
    save_file({"X": X.to(dtype)}, path) if ending == ".safetensors" else torch.save(
        {"X": X.to(dtype)}, path
    )
    assert torch.equal(mn.load_data(path), X)


@pytest.mark.parametrize("dtype", EIGHT_BITS)
def test_a_network_of_8_bits(tmp_path, dtype):
    net = mn.nets.FullyConnected(shape=(2,), width=2, depth=1).build(seed=0)
    mn.nets.save(net, tmp_path / "n.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "n.safetensors", framework="pt") as file:
        metadata = dict(file.metadata())
        state = {name: file.get_tensor(name).to(dtype) for name in file.keys()}  # noqa: SIM118
    save_file(state, tmp_path / "n.safetensors", metadata)
    found = mn.nets.load(tmp_path / "n.safetensors")
    wanted = {name: value.float() for name, value in state.items()}
    assert all(torch.equal(value, wanted[name]) for name, value in found.state_dict().items())


def test_numbers_of_4_bits_are_refused(tmp_path):
    packed = torch.zeros(2, 2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    with pytest.raises(MnemoscopeError, match="float4_e2m1fn_x2"):
        computable(packed, "x")
    save_file({"X": packed}, tmp_path / "x.safetensors")
    with pytest.raises(MnemoscopeError, match="float4"):
        mn.load_data(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**6, 10**6),
        torch.zeros(1, 4).expand(10**9, 4),
        torch.zeros(3, 1, 1).expand(3, 5000, 5000),
        torch.zeros(8).as_strided((10**5, 10**5), (0, 0)),
    ],
)
def test_few_numbers_over_a_huge_shape_are_refused(tmp_path, tensor):
    path = tmp_path / "x.pt"
    torch.save(tensor, path)
    assert path.stat().st_size < 10_000
    with pytest.raises(MnemoscopeError, match="repeats"):
        mn.load_data(path)
    torch.save({"weight": tensor, "bias": torch.zeros(2)}, path)
    with pytest.raises(MnemoscopeError, match="repeats"):
        load_weights(nn.Linear(2, 2), path)


def test_a_small_tensor_may_repeat(tmp_path):
    torch.save(X[:1].expand(10, 2), tmp_path / "x.pt")
    assert torch.equal(mn.load_data(tmp_path / "x.pt"), X[:1].expand(10, 2))
