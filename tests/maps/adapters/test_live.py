"""Live objects: what is recognized, what is copied, what is refused."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps.adapters import Loaded, ObjectAdapter, open_model, registry
from mnemoscope.maps.adapters.factory import is_instance, is_subclass


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Tanh())


X = torch.rand(3, 6, generator=torch.Generator().manual_seed(0))


def test_a_module_is_copied():
    module = net()
    f = mn.load_map(module, shape=(6,))
    before = f(X)
    assert module.training
    assert torch.equal(before, module.eval()(X).detach())
    with torch.no_grad():
        module[0].weight.zero_()
    assert torch.equal(f(X), before)
    assert open_model(module).adapter == "python"


def test_weights_go_into_the_copy(tmp_path):
    module, other = net(), net()
    with torch.no_grad():
        other[0].weight.mul_(2)
    torch.save(other.state_dict(), tmp_path / "w.pt")
    before = module[0].weight.clone()
    f = mn.load_map(module, weights=tmp_path / "w.pt", shape=(6,))
    assert torch.equal(module[0].weight, before)
    assert torch.equal(f(X), other.eval()(X).detach())


def test_callables_and_wrapping():
    f = mn.load_map(lambda z: {"image": z / 2}, output="image", scale=(-1, 1), shape=(6,))
    assert torch.allclose(f(X), (X * 2 - 1) / 4 + 0.5)
    with pytest.raises(mn.MnemoscopeError, match="a function, which does not use it"):
        mn.load_map(lambda z: z, weights="w.pt", shape=(6,))
    with pytest.raises(mn.MnemoscopeError, match="which does not use it"):
        mn.load_map(net(), mn.LoadOptions(factory_args={"width": 3}), shape=(6,))


class Unknown:
    pass


def test_what_is_no_map():
    with pytest.raises(mn.MnemoscopeError, match="gives a Unknown"):
        mn.load_map(Unknown(), shape=(6,))
    with pytest.raises(mn.MnemoscopeError, match=r"Unknown, which cannot be called.*mn\.load_map"):
        mn.SelfMap(Unknown(), (6,))


class Halves:
    """A model of an imagined library."""


class OfHalves(ObjectAdapter):
    def recognizes_object(self, model):
        return is_instance(model, __name__, "Halves")

    def adapt(self, model, request):
        return Loaded(lambda z: z / 2, shape=(4,))


def test_others_ship_adapters_of_objects(monkeypatch):
    here = EntryPoint("halves", f"{__name__}:OfHalves", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [here])
    monkeypatch.setattr(EntryPoint, "load", lambda self: OfHalves)
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())
    f = mn.load_map(Halves())
    assert torch.equal(f(torch.ones(1, 4)), torch.full((1, 4), 0.5))
    with pytest.raises(mn.MnemoscopeError, match="--weights with the Halves"):
        mn.load_map(Halves(), weights="w.pt")
    with pytest.raises(mn.MnemoscopeError, match="'halves' for a Unknown"):
        mn.load_map(Unknown(), mn.LoadOptions(adapter="halves"))


def _this_module():
    from types import ModuleType

    module = ModuleType(__name__)
    module.Halves = Halves
    return module


def test_classes_are_reported_from_instances():
    assert is_subclass(nn.Linear, "torch.nn", "Module")
    assert not is_subclass(nn.Linear(2, 2), "torch.nn", "Module")
    assert not is_instance(nn.Linear, "torch.nn", "Module")


RECOGNIZING = """
import sys, torch, mnemoscope as mn
mn.load_map(torch.nn.Linear(6, 6), shape=(6,))
known = {"sklearn.neural_network", "pyod", "keras", "flax", "equinox", "jax", "sae_lens", "scvi",
         "lightning"}
assert not known & sys.modules.keys(), known & sys.modules.keys()
"""


def test_recognizing_imports_no_library():
    done = subprocess.run(
        [sys.executable, "-c", RECOGNIZING],
        env=os.environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
