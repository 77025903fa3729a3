"""How far the outputs of a network lie from the span of its examples."""

import math

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.dynamics import Starts
from mnemoscope.dynamics.starts import Range
from mnemoscope.linalg import distance_to_span
from mnemoscope.sweep.measurements.images import images
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

INPUTS = 100
"""Fresh inputs of each network."""


def take(trained: Trained) -> dict[str, list]:
    """The median distance (RMS) to the span, over fresh inputs uniform in the examples' range.

    As `summary["span_distance"]` of an audit. Outputs that are not finite are left out; None if
    none is. The inputs are drawn by the run's seed.
    """
    fresh = torch.stack([_fresh(X, seed) for X, seed in zip(trained.X, trained.seeds, strict=True)])
    distance = torch.cat(
        [distance_to_spans(Y, trained.X) for _, Y in images(trained.replicas, fresh)], dim=1
    )
    distance = torch.where(distance.isfinite(), distance, torch.nan)
    median = distance.nanquantile(0.5, dim=1)
    return {"span_distance": [None if math.isnan(value) else value for value in median.tolist()]}


def distance_to_spans(
    Z: Float[Tensor, "r m *shape"], X: Float[Tensor, "r n *shape"]
) -> Float[Tensor, "r m"]:
    """The distance (RMS) of states to the span of the examples of each network, in float64.

    Args:
        Z: `(r, m, *shape)`, states of each.
        X: `(r, n, *shape)`, its examples; one span is found for all if this is an expanded view.
    """
    if X.stride(0) == 0:
        return distance_to_span(Z.flatten(0, 1).double(), X[0]).unflatten(0, Z.shape[:2])
    return torch.stack(
        [distance_to_span(states.double(), own) for states, own in zip(Z, X, strict=True)]
    )


def _fresh(X: Float[Tensor, "n *shape"], seed: int) -> Float[Tensor, "100 *shape"]:
    starts = Starts("uniform", INPUTS, Range.of(X), seed)
    return torch.cat(list(starts.blocks(tuple(X.shape[1:]), dtype=X.dtype, device=X.device)))


SPAN = Measurement("span", {"span_distance": pl.Float64()}, take)
"""Distance of outputs to the span of the examples."""
