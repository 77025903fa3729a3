"""How many of its examples a network stores."""

import polars as pl

from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def take(trained: Trained) -> dict[str, list]:
    """The examples whose own orbits end at a fixed point that attracts and matches them.

    See `mnemoscope.measure.replicas.stored_by_replica`.
    """
    return {"stored": stored_by_replica(trained.replicas, trained.X).sum(1).tolist()}


STORED = Measurement("stored", {"stored": pl.Int64()}, take)
"""Examples that are stored."""
