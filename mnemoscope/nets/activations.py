"""The activations phi, by name: as functions, as modules, and their pullbacks by phi'.

`leaky_relu` has slope 0.2 below zero; `leaky_relu(0.1)` sets it. `cosid` is `cos(z) - z`
(Radhakrishnan, Belkin, Uhler, *Overparameterized neural networks implement associative memory*,
PNAS 117(44), 2020).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mnemoscope.base.check import name_and_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short

LEAKY_RELU_SLOPE = 0.2


def cosid(z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Returns `cos(z) - z`."""
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


Into = Callable[..., Tensor]
"""`(z, out) -> phi(z)`, entry by entry, written to `out`."""

Pullback = Callable[..., Tensor]
"""`(u, z, phi(z)) -> u * phi'(z)`, entry by entry, written over `u`."""


@dataclass(frozen=True)
class _Activation:
    """One activation; `leaky_relu` takes its slope as `negative_slope` everywhere.

    Attributes:
        function: Acts on each entry of a tensor.
        module: Builds the module.
        into: Writes the values to memory that is there.
        pullback: Multiplies a covector by the derivative, by PyTorch's own kernels where it has
            them, so that the numbers agree with those of autograd.
    """

    function: Callable[..., Tensor]
    module: Callable[..., nn.Module]
    into: Into
    pullback: Pullback


_aten = torch.ops.aten
_SELU = (1.6732632423543772, 1.0507009873554805)
"""`alpha` and `scale` of selu (Klambauer et al. 2017)."""

_ACTIVATIONS: dict[str, _Activation] = {
    "identity": _Activation(
        lambda z: z,
        nn.Identity,
        lambda z, out: z,
        lambda u, z, a: u,
    ),
    "relu": _Activation(
        functional.relu,
        nn.ReLU,
        lambda z, out: _aten.relu.out(z, out=out),
        lambda u, z, a: _aten.threshold_backward.grad_input(u, z, 0, grad_input=u),
    ),
    "leaky_relu": _Activation(
        functional.leaky_relu,
        nn.LeakyReLU,
        lambda z, out, negative_slope: _aten.leaky_relu.out(z, negative_slope, out=out),
        lambda u, z, a, negative_slope: _aten.leaky_relu_backward.grad_input(
            u, z, negative_slope, False, grad_input=u
        ),
    ),
    "selu": _Activation(
        functional.selu,
        nn.SELU,
        lambda z, out: _aten.elu.out(z, *_SELU, 1, out=out),
        lambda u, z, a: _aten.elu_backward.grad_input(u, *_SELU, 1, False, z, grad_input=u),
    ),
    "silu": _Activation(
        functional.silu,
        nn.SiLU,
        lambda z, out: _aten.silu.out(z, out=out),
        lambda u, z, a: _aten.silu_backward.grad_input(u, z, grad_input=u),
    ),
    "gelu": _Activation(
        functional.gelu,
        nn.GELU,
        lambda z, out: _aten.gelu.out(z, out=out),
        lambda u, z, a: _aten.gelu_backward.grad_input(u, z, grad_input=u),
    ),
    "elu": _Activation(
        functional.elu,
        nn.ELU,
        lambda z, out: _aten.elu.out(z, out=out),
        lambda u, z, a: _aten.elu_backward.grad_input(u, 1, 1, 1, False, z, grad_input=u),
    ),
    "softplus": _Activation(
        functional.softplus,
        nn.Softplus,
        lambda z, out: _aten.softplus.out(z, out=out),
        lambda u, z, a: _aten.softplus_backward.grad_input(u, z, 1, 20, grad_input=u),
    ),
    "tanh": _Activation(
        torch.tanh,
        nn.Tanh,
        lambda z, out: torch.tanh(z, out=out),
        lambda u, z, a: _aten.tanh_backward.grad_input(u, a, grad_input=u),
    ),
    "sigmoid": _Activation(
        torch.sigmoid,
        nn.Sigmoid,
        lambda z, out: torch.sigmoid(z, out=out),
        lambda u, z, a: _aten.sigmoid_backward.grad_input(u, a, grad_input=u),
    ),
    "erf": _Activation(
        torch.erf,
        Erf,
        lambda z, out: torch.erf(z, out=out),
        lambda u, z, a: u.mul_(torch.exp(-(z**2)) * (2 / math.pi**0.5)),
    ),
    "sin": _Activation(
        torch.sin,
        Sin,
        lambda z, out: torch.sin(z, out=out),
        lambda u, z, a: u.mul_(torch.cos(z)),
    ),
    "cosid": _Activation(
        cosid,
        Cosid,
        lambda z, out: torch.cos(z, out=out).sub_(z),
        lambda u, z, a: u.mul_(-torch.sin(z) - 1),
    ),
}

ACTIVATIONS = tuple(_ACTIVATIONS)
"""The names of all activations."""


def activation_name(value: object) -> str:
    """Returns the name of an activation that is given by name, as a module or as a function.

    Args:
        value: A name; a module, or its class, such as `torch.nn.GELU()`; or a function such as
            `torch.tanh`. A spec is plain values, so only those that have a name can be used.

    Raises:
        MnemoscopeError: it is none of the activations in `ACTIVATIONS`.

    Example:
        >>> activation_name(torch.tanh), activation_name(nn.LeakyReLU(0.1))
        ('tanh', 'leaky_relu(0.1)')
    """
    if isinstance(value, str):
        parse_activation(value)
        return value
    if isinstance(value, type) and issubclass(value, nn.Module):
        value = value()
    for name, activation in _ACTIVATIONS.items():
        if isinstance(value, nn.Module):
            if type(value) is activation.module:
                if name == "leaky_relu":
                    return f"{name}({value.negative_slope:g})"
                if _settings(value) == _settings(activation.module()):
                    return name
        elif value is not None and any(value is one for one in _functions(name)):
            # PyTorch's function has another default than ours.
            return "leaky_relu(0.01)" if name == "leaky_relu" else name
    raise MnemoscopeError(
        f"activation {short(value)}",
        expected=f"one of {', '.join(ACTIVATIONS)}, by name or as PyTorch's function or module",
        todo="for another activation write the network as a module of your own: train and audit "
        "take any module",
        field="activation",
        choices=ACTIVATIONS,
    )


def _functions(name: str) -> Iterator[object]:
    """Yields the functions that compute an activation."""
    yield _ACTIVATIONS[name].function
    yield from (getattr(home, name, None) for home in (torch, functional, torch.special, Tensor))


def _settings(module: nn.Module) -> dict[str, object]:
    """Returns the settings of a module that change its values."""
    ignored = ("training", "inplace")
    return {k: v for k, v in vars(module).items() if k[0] != "_" and k not in ignored}


def parse_activation(name: str) -> tuple[str, float | None]:
    """Splits an activation into its bare name and, for `leaky_relu`, its slope below zero."""
    bare, slope = name_and_number(
        name, what="activation", names=ACTIVATIONS, with_number=("leaky_relu",)
    )
    if bare == "leaky_relu" and slope is None:
        slope = LEAKY_RELU_SLOPE
    return bare, slope


def _part(name: str, part: str) -> Callable[..., Any]:
    bare, slope = parse_activation(name)
    found = getattr(_ACTIVATIONS[bare], part)
    return found if slope is None else partial(found, negative_slope=slope)


def activation_function(name: str) -> Callable[[Tensor], Tensor]:
    """Returns the activation as a function that acts on each entry of a tensor of any shape.

    Raises:
        MnemoscopeError: there is no such activation; the message names the nearest.
    """
    return _part(name, "function")


def activation_module(name: str) -> nn.Module:
    """Returns the activation as a module without parameters.

    Raises:
        MnemoscopeError: there is no such activation; the message names the nearest.
    """
    return _part(name, "module")()


def activation_into(name: str) -> Into:
    """Returns `(z, out) -> phi(z)`, which writes to `out`; the identity returns `z` itself."""
    return _part(name, "into")


def activation_pullback(name: str) -> Pullback:
    """Returns `(u, z, phi(z)) -> u * phi'(z)`, which writes over `u`.

    All three have one shape and dtype. At a kink the derivative is the one from the left, as in
    PyTorch.
    """
    return _part(name, "pullback")
