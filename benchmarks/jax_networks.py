"""Fully connected networks as functions of JAX, with the weights that ours have."""

# pyright: reportMissingImports=false

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from torch import nn

import mnemoscope as mn

Parameters = list[tuple[jax.Array, jax.Array]]
"""The weight matrix and the bias of each layer, first to last."""

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "leaky_relu": lambda z: jnp.where(z > 0, z, 0.2 * z),
    "sigmoid": jax.nn.sigmoid,
}


def parameters(net: nn.Module) -> Parameters:
    """The weights of a network's linear layers."""
    layers = [m for m in net.modules() if isinstance(m, nn.Linear)]
    return [(jnp.array(m.weight.detach()), jnp.array(m.bias.detach())) for m in layers]


def function(spec: mn.nets.FullyConnected) -> Callable[[Parameters, Any], Any]:
    """The map of a batch of flat states, as a function of the parameters and the batch."""
    activation = ACTIVATIONS[spec.activation]

    def f(layers: Parameters, Z: Any) -> Any:
        for weight, bias in layers[:-1]:
            Z = activation(Z @ weight.T + bias)
        weight, bias = layers[-1]
        return Z @ weight.T + bias

    return f
