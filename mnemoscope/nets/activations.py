"""The activations phi, by name: as a function of tensors and as a module.

`leaky_relu` has slope 0.2 below zero; `leaky_relu(0.1)` sets it. `cosid` is `cos(z) - z`
(Radhakrishnan, Belkin, Uhler, *Overparameterized neural networks implement associative memory*,
PNAS 117(44), 2020).
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnemoscope.nets.notation import parse_name

LEAKY_RELU_SLOPE = 0.2


def cosid(z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The activation `cos(z) - z`."""
    return torch.cos(z) - z


class Sin(nn.Module):
    """The activation `sin(z)`."""

    def forward(self, z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Applies the activation to each entry."""
        return torch.sin(z)


class Cosid(nn.Module):
    """The activation `cos(z) - z`."""

    def forward(self, z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Applies the activation to each entry."""
        return cosid(z)


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "identity": lambda z: z,
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "selu": functional.selu,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "elu": functional.elu,
    "softplus": functional.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
    "cosid": cosid,
}

_MODULES: dict[str, Callable[..., nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "sin": Sin,
    "cosid": Cosid,
}

ACTIVATIONS = tuple(_FUNCTIONS)
"""The names of all activations."""


def parse_activation(name: str) -> tuple[str, float | None]:
    """Splits an activation into its bare name and, for `leaky_relu`, its slope below zero.

    Raises:
        MnemoscopeError: there is no such activation; the nearest name is told.
    """
    bare, slope = parse_name(
        name, what="activation", names=ACTIVATIONS, with_number=("leaky_relu",)
    )
    if bare == "leaky_relu" and slope is None:
        slope = LEAKY_RELU_SLOPE
    return bare, slope


def activation_function(name: str) -> Callable[[Tensor], Tensor]:
    """The activation as a function that acts on each entry of a tensor of any shape.

    Raises:
        MnemoscopeError: there is no such activation; the nearest name is told.
    """
    bare, slope = parse_activation(name)
    function = _FUNCTIONS[bare]
    return function if slope is None else partial(function, negative_slope=slope)


def activation_module(name: str) -> nn.Module:
    """The activation as a module without parameters.

    Raises:
        MnemoscopeError: there is no such activation; the nearest name is told.
    """
    bare, slope = parse_activation(name)
    return _MODULES[bare]() if slope is None else _MODULES[bare](slope)
