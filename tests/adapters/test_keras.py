"""Keras 3: `make test-adapters NAME=keras`. Its backend is chosen when it is imported."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

if find_spec("keras") is None:
    pytest.skip("keras is not installed: pip install 'mnemoscope[keras]'", allow_module_level=True)
os.environ["KERAS_BACKEND"] = "torch"

import keras

import mnemoscope as mn
from mnemoscope.maps.adapters import open_model
from mnemoscope.maps.check import check_map

if keras.backend.backend() != "torch":
    pytest.skip("keras was imported with another backend", allow_module_level=True)

PICTURES = np.random.default_rng(0).random((10, 6, 6, 1), dtype=np.float32)


def convolutional():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.layers.Input((6, 6, 1)),
        keras.layers.Conv2D(4, 3, padding="same", activation="tanh"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.GaussianNoise(0.1),
        keras.layers.Conv2D(1, 3, padding="same"),
    ])  # fmt: skip
    model.compile("adam", "mse")
    model.fit(PICTURES, PICTURES, epochs=1, verbose=0)
    return model


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = keras.layers.Dense(8, "tanh"), keras.layers.Dense(6)

    def call(self, x):
        return self.outer(self.inner(x))


def test_what_it_predicts_and_its_derivative():
    model = convolutional()
    f = mn.load_map(model)
    assert (f.shape, f.differentiable, f.dtype) == ((6, 6, 1), True, torch.float32)
    states = torch.from_numpy(PICTURES)
    assert np.allclose(f(states), model.predict(PICTURES, verbose=0), atol=1e-5)
    check_map(f, states)
    # Tangents and gradients are two ways through the model.
    v, u = torch.randn(2, 3, 6, 6, 1, generator=torch.Generator().manual_seed(0))
    there = (f.jvp(states[:3], v) * u).sum()
    assert torch.isclose(there, (v * f.vjp(states[:3], u)).sum(), rtol=1e-4)
    assert f.footprint.choice.way is not None
    assert f.footprint.choice.way.name == "reverse mode"


def test_pictures_with_channels_first():
    model = convolutional()
    f = mn.load_map(model, mn.LoadOptions(channels_last=True), shape=(1, 6, 6))
    first = torch.from_numpy(PICTURES).movedim(-1, 1)
    assert np.allclose(f(first).movedim(1, -1), model.predict(PICTURES, verbose=0), atol=1e-5)


def test_a_subclass_tells_no_shape():
    model = Subclassed()
    x = torch.rand(3, 6)
    expected = model(x).detach()
    with pytest.raises(mn.MnemoscopeError, match="does not state the shape"):
        mn.load_map(model)
    assert torch.allclose(mn.load_map(model, shape=(6,))(x), expected)


def test_double_precision_is_refused_unless_the_model_computes_in_it():
    inputs = keras.Input((6,))
    single = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    with pytest.raises(mn.MnemoscopeError, match="set_dtype_policy"):
        mn.load_map(single).to(torch.float64)(torch.rand(2, 6))
    keras.config.set_dtype_policy("float64")
    try:
        inputs = keras.Input((6,))
        double = keras.Model(inputs, keras.layers.Dense(6)(inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    z = torch.rand(3, 6, dtype=torch.float64)
    images = mn.load_map(double).to(torch.float64)(z)
    assert torch.allclose(images, double(z), atol=1e-14)


def test_one_of_several_outputs_and_several_inputs():
    inputs = keras.Input((6,))
    code = keras.layers.Dense(2)(inputs)
    both = keras.Model(inputs, {"code": code, "image": keras.layers.Dense(6)(code)})
    x = torch.rand(3, 6)
    assert torch.allclose(mn.load_map(both, output="image")(x), both(x)["image"].detach())
    with pytest.raises(mn.MnemoscopeError, match='output="image"'):
        mn.load_map(both)
    with pytest.raises(mn.MnemoscopeError, match="2 inputs"):
        mn.load_map(keras.Model([inputs, keras.Input((6,))], code))


def test_what_is_drawn_is_refused():
    class Drawn(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.seed = keras.random.SeedGenerator(0)

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.seed)

    inputs = keras.Input((6,))
    with pytest.raises(mn.MnemoscopeError, match="differ"):
        mn.load_map(keras.Model(inputs, Drawn()(inputs)))


def test_a_file_is_loaded_by_a_factory(tmp_path, monkeypatch):
    model = convolutional()
    model.save(tmp_path / "m.keras")
    with pytest.raises(mn.MnemoscopeError, match="mine:load"):
        mn.load_map(tmp_path / "m.keras")
    (tmp_path / "mine_of_keras.py").write_text(
        "import keras\ndef load(): return keras.saving.load_model('m.keras')\n"
    )
    monkeypatch.chdir(tmp_path)
    opened = open_model("mine_of_keras:load")
    images = opened.self_map()(torch.from_numpy(PICTURES))
    assert np.allclose(images, model.predict(PICTURES, verbose=0), atol=1e-6)


BY_VALUES = """
import keras, numpy as np, torch, mnemoscope as mn
assert keras.backend.backend() == "jax"
inputs = keras.Input((6,))
model = keras.Model(inputs, keras.layers.Dense(6, "tanh")(inputs))
f = mn.load_map(model)
x = np.random.default_rng(0).random((5, 6), dtype=np.float32)
assert not f.differentiable
assert np.allclose(f(torch.from_numpy(x)), model.predict(x, verbose=0), atol=1e-6)
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed: pip install jax")
def test_another_backend_is_only_evaluated():
    done = subprocess.run(
        [sys.executable, "-c", BY_VALUES],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
