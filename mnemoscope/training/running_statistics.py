"""Normalization layers that behave in eval mode otherwise than in training mode.

In training mode such a layer (`BatchNorm1d`, `BatchNorm2d`, ...) normalizes its `m` values of a
channel by their own mean and variance

    mean = sum(v) / m,    var = sum((v - mean)^2) / m,

and in eval mode by running statistics. PyTorch's running variance follows `m / (m - 1) var`, and
both follow by `momentum`. So the network that is used is another one than that which was trained,
by a factor of `sqrt(m / (m - 1))` at each layer even where the weights have come to rest: small
training sets are not interpolated, however long the training.

`set_exact` gives each layer the mean and the variance, with divisor `m`, of all examples as the
layer sees them in eval mode. After full-batch training the network in eval mode is then the one
that was trained, but for rounding. After training on mini-batches, each with statistics of its own,
no statistics make it that; where the loss no longer falls, training goes on with these
held constant, in which case the layer is an affine map.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.modules import eval_mode

CHUNK = 1024
"""Examples evaluated at once."""


def following(net: nn.Module) -> list[_NormBase]:
    """Returns the layers of a network that keep running statistics."""
    return [
        layer
        for layer in net.modules()
        if isinstance(layer, _NormBase) and layer.running_mean is not None
    ]


def set_exact(net: nn.Module, layers: Sequence[_NormBase], X: Float[Tensor, "n *shape"]) -> None:
    """Sets running means and variances to those of all examples, in eval mode, layer by layer.

    A layer's statistics depend on those of the layers before it. Up to `CHUNK` examples take one
    pass, in which each layer is set before it is applied; more take a pass for each layer, in the
    order in which they are called. A layer that is called several times gets the statistics of all
    its calls; one that is never called keeps its own.
    """
    parts = X.split(CHUNK)
    groups = [list(layers)] if len(parts) == 1 else [[layer] for layer in called(net, layers, X)]
    for group in groups:
        moments = {layer: _Moments(layer) for layer in group}
        _watch(net, parts, {layer: moments[layer].take for layer in group})


def called(net: nn.Module, layers: Sequence[nn.Module], X: Float[Tensor, "n *shape"]) -> list[Any]:
    """Returns the layers that a network calls, in the order of their first calls."""
    order: dict[nn.Module, None] = {}

    def note(layer: nn.Module, _: Tensor) -> None:
        order.setdefault(layer)

    _watch(net, [X[:1]], {layer: partial(note, layer) for layer in layers})
    return list(order)


def check_statistics(net: nn.Module) -> None:
    """Refuses batch norm without running statistics."""
    for name, layer in net.named_modules():
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise MnemoscopeError(
                f"{type(layer).__name__} `{name or 'itself'}` without running statistics",
                expected="a network that maps each state by itself in eval mode",
                todo="build it with track_running_stats=True, or replace it",
                field="net",
            )


def check_batches(net: nn.Module, X: Float[Tensor, "n *shape"], smallest: int) -> None:
    """Refuses batches in which batch norm has a single value of each channel.

    `smallest` is the number of examples in the smallest batch.
    """
    names = {layer: name for name, layer in net.named_modules() if isinstance(layer, _BatchNorm)}
    if smallest > 1 or not names:
        return
    single: list[_BatchNorm] = []

    def note(layer: _BatchNorm, z: Tensor) -> None:
        if z.numel() == layer.num_features:
            single.append(layer)

    _watch(net, [X[:1]], {layer: partial(note, layer) for layer in names})
    if single:
        raise MnemoscopeError(
            f"a batch of 1 example for {type(single[0]).__name__} `{names[single[0]] or 'itself'}`",
            expected="at least 2 values of each channel, for their variance",
            todo="pass more examples, or a batch_size that leaves no example alone",
            field="batch_size",
        )


@dataclass
class _Moments:
    """Mean and variance of all values that a layer has seen (Chan, Golub and LeVeque 1983)."""

    layer: _NormBase
    count: int = 0
    mean: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    def take(self, z: Tensor) -> None:
        # float64, which mps does not have: the merged sums cancel.
        on = z.device if z.device.type != "mps" else torch.device("cpu")
        batched = z.ndim > 1
        values = (z.transpose(0, 1) if batched else z[:, None]).flatten(1).to(on).double()
        count, mean = values.shape[1], values.mean(1)
        squares = (values - mean[:, None]).square().sum(1)
        total = self.count + count
        apart = mean - self.mean
        self.squares = self.squares + squares + apart.square() * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total
        assert self.layer.running_mean is not None
        assert self.layer.running_var is not None
        self.layer.running_mean.copy_(self.mean)
        self.layer.running_var.copy_(self.squares / total)


def _watch(net: nn.Module, parts: Sequence[Tensor], watchers: dict[Any, Any]) -> None:
    """Passes examples through a network in eval mode; watchers see the inputs of their layers."""
    with eval_mode(net), torch.no_grad(), ExitStack() as hooks:
        for layer, watch in watchers.items():
            hook = layer.register_forward_pre_hook(lambda _, given, watch=watch: watch(given[0]))
            hooks.callback(hook.remove)
        for part in parts:
            net(part)
