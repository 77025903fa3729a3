import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import mnemoscope as mn
from mnemoscope.maps.weights import load_weights


def model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 4))


@pytest.fixture
def saved(tmp_path):
    with torch.random.fork_rng():
        return tmp_path, model(1).state_dict()


def prefixed(prefix, state):
    return {prefix + key: value for key, value in state.items()}


FORMS = {
    "weights.safetensors": save_file,
    "weights.pt": torch.save,
    "nested.pt": lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path),
    "parallel.pt": lambda state, path: torch.save(prefixed("module.", state), path),
    "compiled.safetensors": lambda state, path: save_file(prefixed("_orig_mod.", state), path),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_usual_forms(saved, name):
    folder, state = saved
    FORMS[name](state, folder / name)
    with torch.random.fork_rng():
        net = model(0)
    load_weights(net, folder / name)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


def without(key):
    return lambda state: {k: v for k, v in state.items() if k != key}


FAULTS = [
    (without("0.bias"), "lacks 0.bias"),
    (lambda state: {**state, "extra": torch.ones(1)}, "extra besides"),
    (lambda state: {**state, "0.bias": torch.ones(9)}, r"0.bias is \(9,\) instead of \(3,\)"),
    (lambda state: {**state, "0.bias": torch.full((3,), torch.nan)}, "0.bias has NaN"),
]


@pytest.mark.parametrize(("change", "says"), FAULTS)
def test_weights_that_do_not_fit(saved, change, says):
    folder, state = saved
    save_file(change(state), folder / "w.safetensors")
    with torch.random.fork_rng(), pytest.raises(mn.MnemoscopeError, match=says):
        load_weights(model(), folder / "w.safetensors")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    torch.save(Payload(tmp_path / "ran"), tmp_path / "w.pt")
    (tmp_path / "v.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    for name in ("w.pt", "v.pt"):
        with torch.random.fork_rng(), pytest.raises(mn.MnemoscopeError, match="never unpickled"):
            load_weights(model(), tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"text", None])
def test_files_that_are_none(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with torch.random.fork_rng(), pytest.raises(mn.MnemoscopeError):
        load_weights(model(), tmp_path / name)
