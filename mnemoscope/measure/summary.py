"""The numbers that the verdict is made from, each with its count, total and interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.stats import Rate
from mnemoscope.data import duplicates
from mnemoscope.dynamics.orbits import Status
from mnemoscope.dynamics.outcomes import Outcomes, reached_by
from mnemoscope.linalg import distance_to_span, effective_rank
from mnemoscope.measure.examples import Disclosure, Examined
from mnemoscope.nets import TrainingRecord
from mnemoscope.results.summary import (
    EffectiveRank,
    NearestSpurious,
    Reached,
    RecallRate,
    SpanDistance,
)
from mnemoscope.results.tables import NOISE
from mnemoscope.training import TrainingOptions

INTERPOLATION = 1e-8
"""The training loss that counts as interpolation where no training record tells another."""


@dataclass(frozen=True)
class Measured:
    """What a summary is made from.

    Attributes:
        X: `(n, *shape)`, the examples.
        outputs: `(h, *shape)`, images of fresh uniform inputs; those not finite are left out.
        examined: What was measured at the examples.
        disclosure: Which examples are disclosed.
        noise: Where the starts that needed no data ended.
    """

    X: Float[Tensor, "n *shape"]
    outputs: Float[Tensor, "h *shape"]
    examined: Examined
    disclosure: Disclosure
    noise: Sequence[Outcomes]


def summarize(
    found: Measured,
    curves: pl.DataFrame,
    attractors: pl.DataFrame,
    record: TrainingRecord | None,
    unit: float,
) -> dict[str, Any]:
    """Computes the fields of the summary that are made from tables and counts.

    Args:
        found: What was measured.
        curves: Recall over all examples.
        attractors: The table of attractors.
        record: How the network was trained, if it says.
        unit: The unit of the data.
    """
    X, examined, noise, disclosure = found.X, found.examined, found.noise, found.disclosure
    kind, strength = NOISE
    at_noise = curves.filter((pl.col("corruption") == kind) & (pl.col("strength") == strength))
    radii = examined.radii
    starts = sum(len(part.labels) for part in noise)
    late, left = (
        sum(int((part.status == status).sum()) for part in noise)
        for status in (Status.UNSETTLED, Status.LEFT_DOMAIN)
    )
    loss = float(examined.residual.double().square().mean())
    if record is not None and record.targets:
        # It was not fitted to reproduce these examples, so only its record knows how well it fits.
        training_loss, interpolated = record.loss, record.converged
    else:
        # A hundredth more than `tol`: the order of a sum depends on how a batch is cut.
        training_loss = loss
        tol = INTERPOLATION if record is None else TrainingOptions.of(record.options).tol
        interpolated = loss <= 1.01 * tol
    return {
        "examples": len(X),
        "stored": Rate.of(radii.count(examined.stored), radii.total),
        "disclosed": Rate.of(radii.count(disclosure.disclosed), radii.total),
        "indistinguishable": radii.count(radii.indistinguishable),
        "contractive": Rate.of(examined.contractive.count("yes"), len(X)),
        "undecided": examined.contractive.count("undecided"),
        "contractive_in_norm": None
        if examined.operator_norm is None
        else Rate.of(int((examined.operator_norm < 1).sum()), len(X)),
        "recalled": None
        if at_noise.is_empty()
        else RecallRate.of(
            at_noise["recalled"][0], at_noise["trials"][0], corruption=kind, strength=strength
        ),
        "reached": Reached(
            examined.reached(reached_by(noise).to(examined.attractor.device)),
            radii.total,
            starts=starts,
        ),
        **counted(attractors),
        "unsettled": Rate.of(late, starts),
        "left_domain": Rate.of(left, starts),
        "loss": loss,
        "training_loss": training_loss,
        "interpolated": interpolated,
        **spanned(X, found.outputs, unit),
        "duplicates": tuple(duplicates(X)),
    }


def counted(attractors: pl.DataFrame) -> dict[str, Any]:
    """Counts the attractors and the spurious ones, and finds the spurious one nearest to data."""
    spurious = attractors.filter("spurious")
    row = next(spurious.sort("distance").head(1).iter_rows(named=True), None)
    return {
        "attractors": len(attractors),
        "spurious": spurious.filter(pl.col("kind") == "fixed_point").height,
        "cycles": spurious.filter(pl.col("kind") == "cycle").height,
        "nearest_spurious": None
        if row is None
        else NearestSpurious(
            attractor=row["id"], example=row["nearest_example"], distance=row["distance"]
        ),
    }


def spanned(
    X: Float[Tensor, "n *shape"], outputs: Float[Tensor, "h *shape"], unit: float
) -> dict[str, Any]:
    """Compares the images of fresh inputs, where they are finite, with the span of the examples."""
    outputs = outputs[torch.isfinite(outputs).flatten(1).all(dim=1)]
    median = float(distance_to_span(outputs, X).median()) / unit if len(outputs) else None
    examples, images = effective_rank(X), effective_rank(outputs)
    return {
        "span_distance": SpanDistance(median=median, inputs=len(outputs)),
        "effective_rank": EffectiveRank(
            examples=examples.participation,
            examples_count=examples.count,
            outputs=images.participation,
            outputs_count=images.count,
            threshold=examples.threshold,
        ),
    }
