"""Noise on the inputs of training steps: networks that learn to take corrupted examples back.

With `noise` of `s`, in units, a step maps `x + sigma e` to the target of `x`: `e` is standard
Gaussian and `sigma` uniform in `[0, s]`, both drawn anew for each example and step. That is the
objective of a denoising autoencoder (Vincent, Larochelle, Bengio, Manzagol 2008) over many widths
of noise. It is another objective than reproduction, so it is no evidence about what plain training
does; it widens basins.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.training.options import TrainingOptions


class InputNoise:
    """The noise of some networks, the same for each as if it were trained alone.

    A network's draws follow from its seed and the round; so a training that is resumed at a round
    draws the same numbers.
    """

    def __init__(self, options: Sequence[TrainingOptions]) -> None:
        self._widths = [one.noise * (one.unit or 1.0) for one in options]
        self._seeds = [one.seed for one in options]
        self._generators = [torch.Generator() for _ in options]

    def begin(self, round: int) -> None:
        """Begins a round."""
        for generator, seed in zip(self._generators, self._seeds, strict=True):
            generator.manual_seed((seed * 2654435761 + round * 40503) % 2**63)

    def added(self, X: Float[Tensor, "r b *shape"]) -> Float[Tensor, "r b *shape"]:
        """Returns the inputs of a step."""
        draws = []
        for x, width, generator in zip(X, self._widths, self._generators, strict=True):
            sigma = width * torch.rand(len(x), *[1] * (x.ndim - 1), generator=generator)
            draws.append(sigma * torch.randn(x.shape, generator=generator))
        return X + torch.stack(draws).to(X)

    def only(self, rows: Sequence[int]) -> "InputNoise":
        """Returns the noise of some of the networks, as far as it has been drawn."""
        new = InputNoise([])
        new._widths = [self._widths[row] for row in rows]
        new._seeds = [self._seeds[row] for row in rows]
        new._generators = [self._generators[row] for row in rows]
        return new


def input_noise(options: Sequence[TrainingOptions]) -> InputNoise | None:
    """Returns the noise that some networks are trained with; None: without any."""
    return InputNoise(options) if any(one.noise for one in options) else None
