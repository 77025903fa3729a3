"""At how many of its examples a network contracts, by the spectral radius there."""

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.sweep.measurements.measurement import Measurement, Trained
from mnemoscope.training import replica_spectral_radius


def take(trained: Trained) -> dict[str, list]:
    """The spectral radius at the examples: below 1 at how many, its median, the largest."""
    radius = replica_spectral_radius(trained.replicas, trained.X)
    below, median, largest = below_one(radius)
    return {"contractive": below, "spectral_radius": median, "spectral_radius_largest": largest}


def below_one(values: Float[Tensor, "r n"]) -> tuple[list[int], list[float], list[float]]:
    """Of each row: how many are below 1, their median, the largest.

    The median of an even number is half-way between the two in the middle. Where one is not a
    number, neither are the median and the largest.
    """
    values = values.double()
    return (
        (values < 1).sum(1).tolist(),
        values.quantile(0.5, dim=1).tolist(),
        torch.amax(values, dim=1).tolist(),
    )


CONTRACTION = Measurement(
    "contraction",
    {
        "contractive": pl.Int64(),
        "spectral_radius": pl.Float64(),
        "spectral_radius_largest": pl.Float64(),
    },
    take,
)
"""Spectral radii at the examples."""
