"""Where orbits from noise end: at an example, at a spurious attractor, at none."""

import polars as pl

from mnemoscope.dynamics import Starts, find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes
from mnemoscope.dynamics.starts import Range
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

COLUMNS = (
    "starts", "at_examples", "spurious", "not_settled", "examples_reached", "spurious_attractors",
)  # fmt: skip
"""Fields of `mnemoscope.dynamics.outcomes.OutcomeCounts`."""


def take(trained: Trained) -> dict[str, list]:
    """What became of `measure.starts` starts, drawn by the run's seed in its examples' range.

    One network after the other; starts are drawn in blocks, whatever their number.
    """
    measure = trained.measure
    found = []
    for net, X, seed in zip(trained.replicas, trained.X, trained.seeds, strict=True):
        starts = Starts(measure.start_kind, measure.starts, Range.of(X), seed)
        census = find_attractors(net, starts, X, max_steps=measure.orbit_steps)
        found.append(count_outcomes(census))
    return {name: [getattr(one, name) for one in found] for name in COLUMNS}


OUTCOMES = Measurement("outcomes", {name: pl.Int64() for name in COLUMNS}, take)
"""Endings of orbits from noise."""
