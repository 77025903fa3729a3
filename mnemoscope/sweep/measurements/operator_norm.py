"""Counts the examples at which a network contracts, by the operator norm of its Jacobian."""

import torch

from mnemoscope.base.quantity import Quantity
from mnemoscope.linalg import operator_norm
from mnemoscope.sweep.measurements.contraction import below_one
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def take(trained: Trained) -> dict[str, list]:
    """Computes the operator norm at the examples: the number below 1, the median, the largest.

    One network after the other.
    """
    norm = torch.stack(
        [operator_norm(net, X) for net, X in zip(trained.replicas, trained.X, strict=True)]
    )
    return dict(zip(MEASUREMENT.columns, below_one(norm), strict=True))


MEASUREMENT = Measurement(
    "operator_norm",
    (
        Quantity(
            "contractive_in_norm",
            "count",
            "training examples with an operator norm below 1",
            total="n",
        ),
        Quantity("operator_norm", "number", "median operator norm at the examples"),
        Quantity("operator_norm_largest", "number", "largest operator norm at the examples"),
    ),
    take,
)
