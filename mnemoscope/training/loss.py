"""The training loss of a network as it is."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mnemoscope.nets.modes import eval_mode


def whole_loss(net: nn.Module, X: Float[Tensor, "n *shape"], Y: Float[Tensor, "n *shape"]) -> float:
    """Mean squared error over all entries, in eval mode; the squares are summed in float64."""
    with eval_mode(net), torch.no_grad():
        squares = sum(
            nn.functional.mse_loss(net(x), y, reduction="sum").double()
            for x, y in zip(X.split(1024), Y.split(1024), strict=True)
        )
    return float(squares) / X.numel()
