import json
import pickle
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file, save_model
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
    (lambda state: {**state, "0.bias": torch.ones(9)}, r"0.bias is \(9,\) instead of \(3,\)"),
    (lambda state: {**state, "0.bias": torch.full((3,), torch.nan)}, "0.bias has NaN"),
]


@pytest.mark.parametrize(("change", "says"), FAULTS)
def test_weights_that_do_not_fit(saved, change, says):
    folder, state = saved
    save_file(change(state), folder / "w.safetensors")
    with torch.random.fork_rng(), pytest.raises(mn.MnemoscopeError, match=says):
        load_weights(model(), folder / "w.safetensors")


def tied():
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    return net


class Inner(nn.Module):
    """A model whose names have a prefix."""

    def __init__(self):
        super().__init__()
        self.net = model()


@pytest.mark.parametrize(
    "form",
    [
        lambda state: {"net": state},
        lambda state: {"params_ema": state},
        lambda state: {"epoch": 3, "ckpt": {"model": state, "lr": 0.1}},
        lambda state: prefixed("module._orig_mod.", state),
        lambda state: prefixed("model.module.", state),
        lambda state: {"n_averaged": torch.tensor(3), **prefixed("module.", state)},
        lambda state: {**prefixed("autoencoder.", state), "disc.weight": torch.rand(3)},
        lambda state: {"state_dict": prefixed("net.", state), "ema": state},
    ],
)
def test_the_one_part_of_a_checkpoint_that_fits(saved, form):
    folder, state = saved
    torch.save(form(state), folder / "w.pt")
    with torch.random.fork_rng():
        net = model(0)
    load_weights(net, folder / "w.pt")
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


def test_what_the_module_does_not_have_is_named(saved, caplog):
    folder, state = saved
    save_file({**prefixed("a.", state), "disc.weight": torch.rand(3)}, folder / "w.safetensors")
    with torch.random.fork_rng():
        net = model(0)
    load_weights(net, folder / "w.safetensors")
    assert "disc.weight" in caplog.text


def test_a_model_with_a_prefix_that_the_file_has_not(saved):
    folder, state = saved
    torch.save(state, folder / "w.pt")
    with torch.random.fork_rng():
        net = Inner()
    load_weights(net, folder / "w.pt")
    assert torch.equal(net.net[0].weight, state["0.weight"])


def test_several_parts_that_fit_are_asked_about(saved):
    folder, state = saved
    other = {key: value + 1 for key, value in state.items()}
    torch.save({"generator": state, "average": other}, folder / "w.pt")
    with torch.random.fork_rng():
        net = model(0)
    with pytest.raises(mn.MnemoscopeError, match=r"average, generator.*--weights-key"):
        load_weights(net, folder / "w.pt")
    load_weights(net, folder / "w.pt", "average")
    assert torch.equal(net[0].bias, other["0.bias"])
    with pytest.raises(mn.MnemoscopeError, match=r"--weights-key nothing .* average, generator"):
        load_weights(net, folder / "w.pt", "nothing")
    torch.save({**prefixed("a.", state), **prefixed("b.", other)}, folder / "two.pt")
    load_weights(net, folder / "two.pt", "a")
    assert torch.equal(net[0].bias, state["0.bias"])


def test_tied_tensors_are_stored_once(tmp_path):
    with torch.random.fork_rng():
        net, other = tied(), tied()
    save_model(net, str(tmp_path / "w.safetensors"))
    load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(other[2].weight, net[0].weight)
    assert other[2].weight is other[0].weight
    torch.save(prefixed("x.", load_file(tmp_path / "w.safetensors")), tmp_path / "w.pt")
    with torch.random.fork_rng():
        third = tied()
    load_weights(third, tmp_path / "w.pt")
    assert torch.equal(third[0].weight, net[0].weight)


def test_batch_counts_may_be_missing(tmp_path):
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    state = {k: v + 1 for k, v in net.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "old.pt")
    load_weights(net, tmp_path / "old.pt")
    assert torch.equal(net[1].running_mean, state["1.running_mean"])


def test_weights_in_several_files(saved):
    folder, state = saved
    names = list(state)
    for number, part in enumerate((names[:2], names[2:])):
        save_file({name: state[name] for name in part}, folder / f"{number}.safetensors")
    places = {name: f"{int(i >= 2)}.safetensors" for i, name in enumerate(names)}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    for place in (folder, index):
        with torch.random.fork_rng():
            net = model(0)
        load_weights(net, place)
        assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    for wrong in ("../0.safetensors", "a/b", "", "model.safetensors.index.json", 3):
        index.write_text(json.dumps({"weight_map": {**places, names[0]: wrong}}))
        with pytest.raises(mn.MnemoscopeError, match="no index of weights"):
            load_weights(net, index)
    index.write_text(json.dumps({"weight_map": {**places, "more": "0.safetensors"}}))
    with pytest.raises(mn.MnemoscopeError, match="names more"):
        load_weights(net, folder)


def test_a_folder_without_weights(tmp_path):
    with torch.random.fork_rng(), pytest.raises(mn.MnemoscopeError, match="a folder without"):
        load_weights(model(), tmp_path)


def test_a_program_is_pointed_to_a_factory(tmp_path):
    with torch.random.fork_rng():
        net = model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(net, torch.rand(1, 4)).save(str(tmp_path / "w.pt"))
    with pytest.raises(mn.MnemoscopeError, match=r"TorchScript.*torch\.jit\.load") as raised:
        load_weights(net, tmp_path / "w.pt")
    assert "weights_only" not in str(raised.value)


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


def test_a_module_on_the_meta_device_takes_the_tensors_of_the_file(saved):
    folder, state = saved
    save_file(state, folder / "w.safetensors")
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 4))
    with pytest.raises(mn.MnemoscopeError, match="meta device"):
        mn.SelfMap(net, (4,))
    load_weights(net, folder / "w.safetensors")
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    mn.SelfMap(net, (4,))


def test_a_lazy_module_is_refused_in_one_line():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.LazyLinear(4))
    with pytest.raises(mn.MnemoscopeError, match="no shape before a first batch"):
        mn.SelfMap(net, (4,))
