"""A Gaussian blur, mirrored at the edges, which keeps the mean of a picture."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.labels import CorruptionLabel
from mnemoscope.data.corruptions.corruption import Corruption, Scale


def _apply(Z: Tensor, deviation: float, generator: torch.Generator, scale: Scale) -> Tensor:
    rows, columns = (_blurring(side, deviation).to(Z) for side in Z.shape[-2:])
    return rows @ Z @ columns.mT


def _blurring(side: int, deviation: float) -> Float[Tensor, "side side"]:
    """Builds the matrix that blurs a line: rows and columns sum to 1.

    The line continues mirrored, its ends repeated (`c b a | a b c | c b a`), as far as the
    Gaussian, cut off at four standard deviations, reaches.
    """
    reach = math.ceil(4 * deviation)
    steps = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-((steps.double() / deviation) ** 2) / 2)
    place = (torch.arange(side)[:, None] + steps) % (2 * side)
    place = torch.where(place < side, place, 2 * side - 1 - place)
    weights = (kernel / kernel.sum()).expand(side, -1)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, place, weights)


CORRUPTION = Corruption(
    CorruptionLabel("blur", "blur", "deviation in pixels", "a blur of {s:g} pixels"),
    strengths=(0.5, 1.0, 2.0),
    apply=_apply,
    high=64.0,
    pictures_only=True,
    order=6,
)
