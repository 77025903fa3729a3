"""At how many of its examples a network contracts, by the operator norm of its Jacobian there."""

import polars as pl
import torch

from mnemoscope.linalg import operator_norm
from mnemoscope.sweep.measurements.contraction import below_one
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def take(trained: Trained) -> dict[str, list]:
    """The operator norm at the examples: below 1 at how many, its median, the largest.

    One network after the other.
    """
    norm = torch.stack(
        [operator_norm(net, X) for net, X in zip(trained.replicas, trained.X, strict=True)]
    )
    below, median, largest = below_one(norm)
    return {"contractive_in_norm": below, "operator_norm": median, "operator_norm_largest": largest}


OPERATOR_NORM = Measurement(
    "operator_norm",
    {
        "contractive_in_norm": pl.Int64(),
        "operator_norm": pl.Float64(),
        "operator_norm_largest": pl.Float64(),
    },
    take,
)
"""Operator norms at the examples."""
