"""What claims about denoisers share: digits that are held out, and the error from noisy inputs."""

import torch
from jaxtyping import Float
from torch import Tensor

HELD_OUT, OFFSET = 300, 1400
"""Digits that no network is trained on, from the end of the data set."""

NEVER = 1e-30
"""A loss that is never reached: every network takes all its steps."""


def denoising_error(
    f: torch.nn.Module, X: Float[Tensor, "n *shape"], width: float, seed: int
) -> float:
    """Computes the mean squared error from inputs with noise.

    Each of some hundred copies has a standard deviation of its own, uniform from 0 to `width`, in
    the scale of the data.
    """
    generator = torch.Generator().manual_seed(seed)
    copies = X.repeat(max(1, HELD_OUT // len(X)), *[1] * (X.ndim - 1))
    deviation = width * torch.rand(len(copies), *[1] * (X.ndim - 1), generator=generator)
    noisy = copies + (deviation * torch.randn(copies.shape, generator=generator)).to(X)
    with torch.no_grad():
        return float((f(noisy) - copies).double().square().mean())
