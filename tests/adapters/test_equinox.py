"""Equinox: `make test-adapters NAME=equinox`."""

import pytest

pytest.importorskip("equinox", reason="equinox is not installed: pip install 'mnemoscope[equinox]'")

import equinox as eqx
import jax
import jax.numpy as jnp

import mnemoscope as mn
from tests.adapters.jax_maps import D, check_against


class WithDropout(eqx.Module):
    encode: eqx.nn.Linear
    drop: eqx.nn.Dropout
    decode: eqx.nn.Linear

    def __init__(self):
        first, second = jax.random.split(jax.random.key(0))
        self.encode = eqx.nn.Linear(D, 12, key=first)
        self.drop = eqx.nn.Dropout(0.3)
        self.decode = eqx.nn.Linear(12, D, key=second)

    def __call__(self, x, key=None):
        return self.decode(self.drop(jnp.tanh(self.encode(x)), key=key))


class Uncalled(eqx.Module):
    weight: jax.Array


def test_a_module_of_one_state_is_mapped_over_the_batch():
    model = eqx.nn.MLP(D, D, 12, 2, key=jax.random.key(0))
    check_against(mn.load_map(model, shape=(D,)), jax.vmap(model))


def test_dropout_is_off():
    model = WithDropout()
    check_against(mn.load_map(model, shape=(D,)), jax.vmap(eqx.nn.inference_mode(model)))
    assert not model.drop.inference


def test_what_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="cannot be called"):
        mn.load_map(Uncalled(jnp.ones(3)), shape=(3,))
    with pytest.raises(mn.MnemoscopeError, match="does not state the shape"):
        mn.load_map(WithDropout())
