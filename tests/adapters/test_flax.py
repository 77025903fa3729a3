"""Flax: `make test-adapters NAME=flax`."""

import os
import subprocess
import sys

import pytest
import torch

pytest.importorskip("flax", reason="flax is not installed: pip install 'mnemoscope[flax]'")

import jax
import jax.numpy as jnp
import optax
from flax import linen, nnx
from flax.training.train_state import TrainState

import mnemoscope as mn
from mnemoscope.maps.adapters import open_model
from mnemoscope.maps.jax_map import JaxMap
from tests.adapters.jax_maps import D, check_against, states


class Autoencoder(nnx.Module):
    def __init__(self, rngs):
        self.encode = nnx.Linear(D, 12, rngs=rngs)
        self.norm = nnx.BatchNorm(12, rngs=rngs)
        self.drop = nnx.Dropout(0.3, rngs=rngs)
        self.decode = nnx.Linear(12, D, rngs=rngs)

    def __call__(self, x):
        return self.decode(self.drop(self.norm(jnp.tanh(self.encode(x)))))


class Older(linen.Module):
    @linen.compact
    def __call__(self, x):
        code = jnp.tanh(linen.Dense(12)(x))
        return linen.Dense(D)(code)


class OfParts(linen.Module):
    @linen.compact
    def __call__(self, x):
        code = linen.Dense(3)(x)
        return {"code": code, "image": linen.Dense(D)(code)}


def bound(module):
    return module.bind(module.init(jax.random.key(0), jnp.zeros((1, D))))


def test_a_module_of_nnx_in_eval_mode():
    model = Autoencoder(nnx.Rngs(0))
    model(jnp.asarray(states(20).numpy()))  # its running statistics move
    f = mn.load_map(model, shape=(D,))
    assert not model.drop.deterministic  # the model itself stays in training mode
    assert not model.norm.use_running_average
    before = f(states())
    model.eval()
    check_against(f, model)
    model.train()
    model(jnp.asarray(states(20).numpy()) + 3)
    assert torch.equal(f(states()), before)  # a copy


def test_a_bound_module_of_linen():
    module = Older()
    variables = module.init(jax.random.key(0), jnp.zeros((1, D)))
    f = mn.load_map(module.bind(variables), shape=(D,))
    check_against(f, lambda z: module.apply(variables, z))
    with pytest.raises(mn.MnemoscopeError, match=r"model\.bind"):
        mn.load_map(module, shape=(D,))


def test_a_train_state():
    module = Older()
    variables = module.init(jax.random.key(0), jnp.zeros((1, D)))
    state = TrainState.create(apply_fn=module.apply, params=variables["params"], tx=optax.sgd(0.1))
    check_against(mn.load_map(state, shape=(D,)), lambda z: module.apply(variables, z))


def test_one_of_several_outputs():
    model = bound(OfParts())
    f = mn.load_map(model, shape=(D,), output="image")
    check_against(f, lambda z: model.unbind()[0].apply(model.variables, z)["image"])
    with pytest.raises(mn.MnemoscopeError, match="dict with code, image"):
        mn.load_map(model, shape=(D,))


def test_float64_is_refused_where_jax_rounds():
    f = mn.load_map(bound(Older()), shape=(D,))
    assert not jax.config.jax_enable_x64
    with pytest.raises(mn.MnemoscopeError, match="jax_enable_x64"):
        f.to(torch.float64)(states())


IN_FLOAT64 = """
import jax, jax.numpy as jnp, torch, mnemoscope as mn
from tests.adapters.jax_maps import D, check_against
from mnemoscope.maps.jax_map import JaxMap
W = jax.random.normal(jax.random.key(0), (D, D), dtype=jnp.float64) / 3
function = lambda z: jnp.tanh(z @ W)
check_against(
    mn.SelfMap(JaxMap(function), (D,), dtype=torch.float64), function, dtype=torch.float64
)
"""


def test_float64_where_jax_has_it():
    done = subprocess.run(
        [sys.executable, "-c", IN_FLOAT64],
        env=os.environ | {"JAX_ENABLE_X64": "1"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_few_sizes_of_batches_are_compiled():
    sizes = []

    def function(z):
        sizes.append(len(z))  # while it is traced
        return jnp.tanh(z)

    f = mn.SelfMap(JaxMap(function), (D,))
    for n in range(1, 33):
        assert torch.allclose(f(states(n)), states(n).tanh(), atol=1e-6)
    assert sorted(set(sizes)) == [1, 2, 4, 8, 16, 32]
    assert len(f(states(0))) == 0


def test_a_second_derivative_is_no_zero():
    f = JaxMap(lambda z: z**3)
    hessian = torch.autograd.functional.hessian(lambda z: f(z).sum(), torch.ones(1, 2))
    assert hessian.isnan().any()


def test_states_are_not_changed_and_images_are_their_own():
    f = JaxMap(lambda z: z)
    z = states()
    images = f(z)
    images += 1
    assert torch.equal(z, states())


def test_through_a_factory_and_audited(tmp_path, monkeypatch):
    (tmp_path / "of_flax.py").write_text(
        "from tests.adapters.test_flax import Autoencoder, nnx\n"
        "def make(): return Autoencoder(nnx.Rngs(0))\n"
    )
    monkeypatch.chdir(tmp_path)
    f = open_model("of_flax:make").self_map((D,))
    audit = mn.audit(f, states(3), mn.AuditOptions.of(certificates=0), starts=10, trials=1)
    assert audit.examples["spectral_radius"].is_not_nan().all()
    assert audit.examples["operator_norm"].is_not_nan().all()
