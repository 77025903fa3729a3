"""The training loss of a network as it is."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def whole_loss(net: nn.Module, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"]) -> float:
    """Mean squared error over all entries, in eval mode; the squares are summed in float64."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    with torch.no_grad():
        squares = sum(
            nn.functional.mse_loss(net(x), y, reduction="sum").double()
            for x, y in zip(X.split(1024), Y.split(1024), strict=True)
        )
    for module, mode in modes:
        module.training = mode
    return float(squares) / X.numel()
