"""The laws the weights are drawn from.

With `fan_in` the number of inputs to one unit and `gain` that of the spec's activation:

| init | weights | biases |
|---|---|---|
| `default` | PyTorch's own: uniform on +-1/sqrt(fan_in) | the same |
| `xavier_uniform` | uniform on +-sqrt(6 / (fan_in + fan_out)) | 0 |
| `kaiming_normal` | normal, standard deviation gain / sqrt(fan_in) | 0 |
| `ntk` | normal, standard deviation 1; the layer multiplies by gain / sqrt(fan_in) | 0 |
| `zeros` | 0 | 0 |
| `scaled(std)` | normal, standard deviation std | 0 |

Sources: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming), Jacot, Gabriel and Hongler
2018 (ntk). In the NTK parameterization the bias is added with factor 1: it is zero at the start
(so the kernel of the wide network at initialization has no bias term) and adds 1 to each layer's
tangent kernel when it is trained. Every layer has the same gain, the first and the last too.
"""

import math

import torch
from torch import Tensor, nn

from mnemoscope.base.check import name_and_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.activations import parse_activation

INITIALIZATIONS = ("default", "xavier_uniform", "kaiming_normal", "ntk", "zeros", "scaled")
"""The names of all initializations; `scaled` is written with its number, `scaled(0.01)`."""


def parse_initialization(name: str) -> tuple[str, float | None]:
    """Splits an initialization into its bare name and, for `scaled`, its standard deviation."""
    bare, std = name_and_number(
        name, what="init", names=INITIALIZATIONS[:-1], with_number=INITIALIZATIONS[-1:]
    )
    if std is not None and std <= 0:
        raise MnemoscopeError(
            f"init {name!r}",
            expected="a standard deviation above 0",
            todo="write scaled(0.01), or `zeros` for weights of zero",
            field="init",
        )
    return bare, std


def gain(activation: str) -> float:
    """Returns the factor of the weights' standard deviation that makes up for the activation.

    It is `torch.nn.init.calculate_gain` for `relu`, `leaky_relu` and `selu`, and 1 for all others.

    Raises:
        MnemoscopeError: there is no such activation; the message names the nearest.
    """
    name, slope = parse_activation(activation)
    if name in ("relu", "leaky_relu", "selu"):
        return nn.init.calculate_gain(name, slope)
    return 1.0


@torch.no_grad()
def initialize(module: nn.Module, *, init: str, activation: str, seed: int) -> None:
    """Draws the weights of every linear and convolutional layer in place, in the modules' order.

    The global generator is not touched. For each layer the weights are drawn first, then the bias.

    Args:
        module: The module with the layers; float32, on the CPU.
        init: The initialization's name.
        activation: The activation that gives the gain.
        seed: Random seed.

    Raises:
        MnemoscopeError: there is no such initialization or activation.
    """
    name, std = parse_initialization(init)
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            fan_in = layer.weight[0].numel()
            _draw_weight(layer.weight, name, std, gain(activation) / math.sqrt(fan_in), generator)
            if layer.bias is not None:
                _draw_bias(layer.bias, name, fan_in, generator)


def _draw_weight(
    weight: Tensor, name: str, std: float | None, kaiming_std: float, generator: torch.Generator
) -> None:
    if name == "default":
        # The same call as in `nn.Linear.reset_parameters`, so that the numbers agree to the bit.
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    elif name == "xavier_uniform":
        nn.init.xavier_uniform_(weight, generator=generator)
    elif name == "zeros":
        weight.zero_()
    else:
        deviation = {"kaiming_normal": kaiming_std, "ntk": 1.0, "scaled": std}[name]
        assert deviation is not None
        weight.normal_(0.0, deviation, generator=generator)


def _draw_bias(bias: Tensor, name: str, fan_in: int, generator: torch.Generator) -> None:
    if name == "default":
        bound = 1 / math.sqrt(fan_in)
        bias.uniform_(-bound, bound, generator=generator)
    else:
        bias.zero_()
