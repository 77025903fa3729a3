"""The distance of the outputs of a network to the span of its examples."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.memory import batch_size_within
from mnemoscope.base.quantity import Quantity
from mnemoscope.dynamics import Starts
from mnemoscope.dynamics.starts import Range
from mnemoscope.linalg import distance_to_span
from mnemoscope.maps.self_map import as_self_map
from mnemoscope.nets.stack import make_stack
from mnemoscope.sweep.measurements.measurement import Measurement, Trained
from mnemoscope.training import Replicas

INPUTS = 100
"""Number of fresh inputs of each network."""


def take(trained: Trained) -> dict[str, list]:
    """Computes the median distance (RMS) to the span, over fresh inputs in the examples' range.

    As `span_distance` of an audit's summary. Only finite outputs count; None if there are none. The
    inputs are uniform, drawn by the run's seed.
    """
    fresh = torch.stack([_fresh(X, seed) for X, seed in zip(trained.X, trained.seeds, strict=True)])
    distance = torch.cat(
        [distance_to_spans(Y, trained.X) for _, Y in images(trained.replicas, fresh)], dim=1
    )
    distance = torch.where(distance.isfinite(), distance, torch.nan)
    medians = distance.nanquantile(0.5, dim=1).tolist()
    return {"span_distance": [None if math.isnan(value) else value for value in medians]}


def distance_to_spans(
    Z: Float[Tensor, "r m *shape"], X: Float[Tensor, "r n *shape"]
) -> Float[Tensor, "r m"]:
    """Computes the distance (RMS) of states to the span of each network's examples, in float64."""
    if X.stride(0) == 0:
        return distance_to_span(Z.flatten(0, 1).double(), X[0]).unflatten(0, Z.shape[:2])
    return torch.stack(
        [distance_to_span(states.double(), own) for states, own in zip(Z, X, strict=True)]
    )


def images(
    replicas: Replicas, Z: Float[Tensor, "r m *shape"]
) -> Iterator[tuple[Float[Tensor, "r b *shape"], Float[Tensor, "r b *shape"]]]:
    """Yields states and their images under every network, in blocks that fit into memory."""
    of_all = len(replicas) * as_self_map(replicas[0]).footprint.evaluate
    size = batch_size_within(of_all, device=Z.device, largest=Z.shape[1])
    stack = make_stack(replicas.spec, replicas.parameters)
    for states in Z.split(size, dim=1):
        yield states, stack.forward(states)


def _fresh(X: Float[Tensor, "n *shape"], seed: int) -> Float[Tensor, "100 *shape"]:
    starts = Starts("uniform", INPUTS, Range.of(X), seed)
    return torch.cat(list(starts.blocks(tuple(X.shape[1:]), dtype=X.dtype, device=X.device)))


MEASUREMENT = Measurement(
    "span",
    (
        Quantity(
            "span_distance",
            "number",
            "median distance (RMS) of outputs to the span of the examples",
            needs_fit=False,
        ),
    ),
    take,
)
