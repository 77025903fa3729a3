"""The numbers that the verdict is made from, each with its count, total and interval."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.auditing.basins import Ended, reached_by
from mnemoscope.auditing.examples import Examined
from mnemoscope.auditing.tables import NOISE
from mnemoscope.data import duplicates
from mnemoscope.dynamics.orbits import Status
from mnemoscope.intervals import wilson
from mnemoscope.linalg import distance_to_span, effective_rank
from mnemoscope.nets import TrainingRecord

INTERPOLATION = 1e-8
"""The training loss that counts as interpolation where no training record tells another."""


def summarize(
    X: Float[Tensor, "n *shape"],
    outputs: Float[Tensor, "h *shape"],
    examined: Examined,
    curves: pl.DataFrame,
    attractors: pl.DataFrame,
    example_of: Int[Tensor, " m"],
    noise: Sequence[Ended],
    record: TrainingRecord | None,
) -> dict[str, Any]:
    """The summary without its verdict: plain JSON values.

    Args:
        X: The examples.
        outputs: What the map makes of fresh uniform inputs.
        examined: What was measured at the examples.
        curves: Recall over all examples.
        attractors: The table of attractors.
        example_of: For each attractor the example it stores, -1 for a spurious one.
        noise: Where the starts that needed no data ended.
        record: How the network was trained, if it says.
    """
    kind, strength = NOISE
    at_noise = curves.filter((pl.col("corruption") == kind) & (pl.col("strength") == strength))
    reached = example_of[reached_by(noise)]
    starts = sum(len(part.labels) for part in noise)
    late = sum(int((part.status == Status.UNSETTLED).sum()) for part in noise)
    spurious = attractors.filter("spurious")
    loss = float(examined.residual.double().square().mean())
    # A hundredth more than `tol`: the order of a sum depends on how a batch is cut.
    interpolated = loss <= 1.01 * (INTERPOLATION if record is None else record.tol)
    return {
        "examples": len(X),
        "stored": rate(int(examined.stored.sum()), len(X)),
        "contractive": rate(int((examined.spectral_radius < 1).sum()), len(X)),
        "contractive_in_norm": rate(int((examined.operator_norm < 1).sum()), len(X)),
        "recalled": None
        if at_noise.is_empty()
        else rate(at_noise["recalled"][0], at_noise["trials"][0])
        | {"corruption": kind, "strength": strength},
        "reached_from_noise": {
            "count": len(_stored_examples(reached[reached >= 0], examined)),
            "total": len(X),
            "starts": starts,
        },
        "attractors": len(attractors),
        "spurious": spurious.filter(pl.col("kind") == "fixed_point").height,
        "cycles": spurious.filter(pl.col("kind") == "cycle").height,
        "unsettled": rate(late, starts),
        "loss": loss,
        "training_loss": loss if record is None else record.loss,
        "interpolated": interpolated,
        "span_distance": {
            "median": float(distance_to_span(outputs, X).median()),
            "inputs": len(outputs),
        },
        "effective_rank": _ranks(X, outputs),
        "duplicates": [list(pair) for pair in duplicates(X)],
    }


def rate(count: int, total: int) -> dict[str, Any]:
    """A count, its total, and the 95% Wilson interval of the rate."""
    low, high = wilson(count, total)
    return {"count": count, "total": total, "low": float(low), "high": float(high)}


def _stored_examples(examples: Tensor, examined: Examined) -> set[int]:
    """Stored examples that share an attractor with one of these: duplicates are reached together."""
    attractors = set(examined.attractor[examples].tolist()) - {-1}
    return {
        i
        for i, (label, stored) in enumerate(
            zip(examined.attractor.tolist(), examined.stored.tolist(), strict=True)
        )
        if stored and label in attractors
    }


def _ranks(X: Tensor, outputs: Tensor) -> dict[str, Any]:
    examples, images = effective_rank(X), effective_rank(outputs)
    return {
        "examples": examples.participation,
        "examples_count": examples.count,
        "outputs": images.participation,
        "outputs_count": images.count,
        "threshold": examples.threshold,
    }
