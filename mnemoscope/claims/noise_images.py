"""Images of noise: what is true of a generic image is true of them."""

import torch
from jaxtyping import Float
from torch import Tensor


def noise_images(n: int, size: int, *, seed: int) -> Float[Tensor, "n 1 s s"]:
    """`n` grey images with every entry uniform in [0, 1].

    For sizes at which crops of photographs are all but flat.
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, size, size, generator=generator)
