"""Counts the examples at which a network contracts, by the spectral radius there."""

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.quantity import Quantity
from mnemoscope.sweep.measurements.measurement import Measurement, Trained
from mnemoscope.training import replica_spectral_radius


def take(trained: Trained) -> dict[str, list]:
    """Computes the spectral radius at the examples: the number below 1, the median, the largest."""
    radius = replica_spectral_radius(trained.replicas, trained.X)
    return dict(zip(MEASUREMENT.columns, below_one(radius), strict=True))


def below_one(values: Float[Tensor, "r n"]) -> tuple[list[int], list[float], list[float]]:
    """Returns the number of values below 1, the median and the largest of each row.

    The median of an even number is half-way between the two in the middle. Where one is not a
    number, neither are the median and the largest.
    """
    values = values.double()
    return (
        (values < 1).sum(1).tolist(),
        values.quantile(0.5, dim=1).tolist(),
        torch.amax(values, dim=1).tolist(),
    )


MEASUREMENT = Measurement(
    "contraction",
    (
        Quantity(
            "contractive", "count", "training examples with a spectral radius below 1", total="n"
        ),
        Quantity("spectral_radius", "number", "median spectral radius at the examples"),
        Quantity("spectral_radius_largest", "number", "largest spectral radius at the examples"),
    ),
    take,
)
