"""Requirements on a network: parameters, outputs of its input's shape; its training loss."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.base.errors import MnemoscopeError, first_line
from mnemoscope.nets.modules import eval_mode
from mnemoscope.nets.plain import plain_layers


def trainable(net: nn.Module) -> list[nn.Parameter]:
    """Returns the parameters that are to be trained."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    if not parameters:
        raise MnemoscopeError(
            f"a {type(net).__name__} without parameters to train",
            expected="a network with parameters that require gradients",
            todo="build one from a spec: mn.nets.FullyConnected(shape=...).build(seed=0)",
            field="net",
        )
    return parameters


def is_plain(net: nn.Module) -> bool:
    """Decides whether a network is just what its fully connected spec says, all of it trainable.

    Then the gradient written out for the spec is the network's.
    """
    parameters = list(net.parameters())
    return (
        plain_layers(net) is not None
        and all(p.requires_grad for p in parameters)
        and len({(p.dtype, p.device) for p in parameters}) == 1
    )


def check_network(net: nn.Module, X: Tensor) -> None:
    """Checks that a network, in eval mode, maps the first example to a tensor of its shape."""
    shape = tuple(X[:1].shape)
    try:
        with torch.no_grad():
            output = net(X[:1])
    except MnemoscopeError:
        raise
    except Exception as error:
        raise MnemoscopeError(
            f"a {type(net).__name__} that fails on a batch of shape {shape}: "
            f"{type(error).__name__}: {first_line(error)}",
            expected="a network from batches (n, *shape) of the examples' shape to such batches",
            todo="reshape the examples, or build the network for their shape",
            field="net",
        ) from error
    if not isinstance(output, Tensor):
        raise MnemoscopeError(
            f"a network whose output is a {type(output).__name__}",
            expected="a tensor",
            todo="wrap it in a module that returns the reconstruction alone",
            field="net",
        )
    if output.shape != shape:
        raise MnemoscopeError(
            f"a network from states {shape[1:]} to outputs {tuple(output.shape[1:])}",
            expected="an output of its input's shape",
            todo="pass an autoencoder",
            field="net",
        )


def whole_loss(net: nn.Module, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"]) -> float:
    """Computes the mean squared error over all entries in eval mode; sums squares in float64."""
    with eval_mode(net), torch.no_grad():
        squares = sum(
            nn.functional.mse_loss(net(x), y, reduction="sum").double()
            for x, y in zip(X.split(1024), Y.split(1024), strict=True)
        )
    return float(squares) / X.numel()
