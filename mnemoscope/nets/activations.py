"""The activations phi, by name: as a function of tensors, as a module, and what pulls back by phi'.

`leaky_relu` has slope 0.2 below zero; `leaky_relu(0.1)` sets it. `cosid` is `cos(z) - z`
(Radhakrishnan, Belkin, Uhler, *Overparameterized neural networks implement associative memory*,
PNAS 117(44), 2020).
"""

import math
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


class Erf(nn.Module):
    """The activation `erf(z)`, the error function."""

    def forward(self, z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Applies the activation to each entry."""
        return torch.erf(z)


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
    "erf": torch.erf,
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
    "erf": Erf,
    "sin": Sin,
    "cosid": Cosid,
}

Into = Callable[[Tensor, Tensor], Tensor]
"""`(z, out) -> phi(z)`, entry by entry, written to `out`."""

Pullback = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`(u, z, phi(z)) -> u * phi'(z)`, entry by entry, written over `u`."""

_aten = torch.ops.aten
_SELU = (1.6732632423543772, 1.0507009873554805)
"""`alpha` and `scale` of selu (Klambauer et al. 2017)."""


def _leaky_relu_pullback(u: Tensor, z: Tensor, a: Tensor, negative_slope: float) -> Tensor:
    return _aten.leaky_relu_backward.grad_input(u, z, negative_slope, False, grad_input=u)


def _leaky_relu_into(z: Tensor, out: Tensor, negative_slope: float) -> Tensor:
    return _aten.leaky_relu.out(z, negative_slope, out=out)


_INTO: dict[str, Callable[..., Tensor]] = {
    "identity": lambda z, out: z,
    "relu": lambda z, out: _aten.relu.out(z, out=out),
    "leaky_relu": _leaky_relu_into,
    "selu": lambda z, out: _aten.elu.out(z, *_SELU, 1, out=out),
    "silu": lambda z, out: _aten.silu.out(z, out=out),
    "gelu": lambda z, out: _aten.gelu.out(z, out=out),
    "elu": lambda z, out: _aten.elu.out(z, out=out),
    "softplus": lambda z, out: _aten.softplus.out(z, out=out),
    "tanh": lambda z, out: torch.tanh(z, out=out),
    "sigmoid": lambda z, out: torch.sigmoid(z, out=out),
    "erf": lambda z, out: torch.erf(z, out=out),
    "sin": lambda z, out: torch.sin(z, out=out),
    "cosid": lambda z, out: torch.cos(z, out=out).sub_(z),
}

# PyTorch's own kernels, so that the numbers agree with what autograd makes of the functions.
_PULLBACKS: dict[str, Callable[..., Tensor]] = {
    "identity": lambda u, z, a: u,
    "relu": lambda u, z, a: _aten.threshold_backward.grad_input(u, z, 0, grad_input=u),
    "leaky_relu": _leaky_relu_pullback,
    "selu": lambda u, z, a: _aten.elu_backward.grad_input(u, *_SELU, 1, False, z, grad_input=u),
    "silu": lambda u, z, a: _aten.silu_backward.grad_input(u, z, grad_input=u),
    "gelu": lambda u, z, a: _aten.gelu_backward.grad_input(u, z, grad_input=u),
    "elu": lambda u, z, a: _aten.elu_backward.grad_input(u, 1, 1, 1, False, z, grad_input=u),
    "softplus": lambda u, z, a: _aten.softplus_backward.grad_input(u, z, 1, 20, grad_input=u),
    "tanh": lambda u, z, a: _aten.tanh_backward.grad_input(u, a, grad_input=u),
    "sigmoid": lambda u, z, a: _aten.sigmoid_backward.grad_input(u, a, grad_input=u),
    "erf": lambda u, z, a: u.mul_(torch.exp(-(z**2)) * (2 / math.pi**0.5)),
    "sin": lambda u, z, a: u.mul_(torch.cos(z)),
    "cosid": lambda u, z, a: u.mul_(-torch.sin(z) - 1),
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


def activation_into(name: str) -> Into:
    """The activation as a function that writes to memory that is there: `(z, out) -> phi(z)`.

    The identity gives `z` itself.

    Raises:
        MnemoscopeError: there is no such activation; the nearest name is told.
    """
    bare, slope = parse_activation(name)
    function = _INTO[bare]
    return function if slope is None else partial(function, negative_slope=slope)


def activation_pullback(name: str) -> Pullback:
    """What pulls a covector back through the activation: `(u, z, phi(z)) -> u * phi'(z)`.

    The result is written over `u`; all three have one shape and dtype. At a kink the derivative is
    the one from the left, as PyTorch has it.

    Raises:
        MnemoscopeError: there is no such activation; the nearest name is told.
    """
    bare, slope = parse_activation(name)
    pullback = _PULLBACKS[bare]
    return pullback if slope is None else partial(pullback, negative_slope=slope)
