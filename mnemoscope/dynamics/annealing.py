"""Samples of a denoiser that is not given the noise level.

A denoiser `D` trained by least squares on noisy inputs predicts the mean of the state given the
noisy one, and `D(z) - z` is `s^2` times the gradient of the log density of noisy states, at the
noise level `s` of `z` (Miyasawa 1961). That level can be read from `z`: `s = rms(D(z) - z)`. Steps

    z <- z + h (D(z) - z) + g e,     g^2 = ((1 - b h)^2 - (1 - h)^2) s^2,     e normal

remove the share `h` of what is left of the noise and add as much that it falls by `1 - b h`
(Kadkhodaie and Simoncelli, arXiv 2007.13640).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mnemoscope.base.check import real_number, whole_number
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap
from mnemoscope.maps.self_map import as_self_map


@dataclass(frozen=True)
class Annealing:
    """How samples are drawn.

    Attributes:
        until: The noise level at which a sample is complete, in the scale of the data.
        step: `h`, between 0 and 1.
        pace: `b`, between 0 and 1; the smaller, the more noise is added on the way.
        max_steps: Steps after which a sample is given up.
    """

    until: float
    step: float = 0.05
    pace: float = 0.5
    max_steps: int = 2000

    def __post_init__(self) -> None:
        """Refuses options out of range."""
        real_number("until", self.until, least=0)
        for name in ("step", "pace"):
            real_number(name, getattr(self, name), above=0, below=1)
        whole_number("max_steps", self.max_steps, least=1)


@torch.no_grad()
def anneal(
    f: SelfMap, Z: Float[Tensor, "m *shape"], options: Annealing, *, seed: int
) -> tuple[Float[Tensor, "m *shape"], Bool[Tensor, " m"]]:
    """Draws samples from a blind denoiser, each from a noisy start.

    Args:
        f: The denoiser: it maps a noisy state to an estimate of the clean one.
        Z: `(m, *shape)`, starts at the largest noise level that it was trained on.
        options: How they are drawn.
        seed: Random seed.

    Returns:
        `f` at the last state of each start, and whether its noise level came to `until`.
    """
    f = as_self_map(f)
    Z = f.batch(Z).clone()
    generator = torch.Generator().manual_seed(seed)
    h, b = options.step, options.pace
    added = ((1 - b * h) ** 2 - (1 - h) ** 2) ** 0.5
    moving = torch.arange(len(Z), device=Z.device)
    for _ in range(options.max_steps):
        z = Z[moving]
        change = f(z) - z
        level = rms(change)
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype).to(z.device)
        going = level > options.until
        steps = h * change + added * level.reshape(-1, *[1] * (z.ndim - 1)) * noise
        Z[moving[going]] = (z + steps)[going]
        moving = moving[going]
        if not len(moving):
            break
    complete = torch.ones(len(Z), dtype=torch.bool, device=Z.device)
    complete[moving] = False
    return f(Z), complete
