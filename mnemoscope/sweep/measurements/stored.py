"""How many of its examples a network stores."""

import polars as pl

from mnemoscope.claims.storage import stored_by_each
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def take(trained: Trained) -> dict[str, list]:
    """The examples whose own orbits end at a fixed point that attracts and matches them.

    See `mnemoscope.claims.storage.stored_by_each`.
    """
    return {"stored": stored_by_each(trained.replicas, trained.X).sum(1).tolist()}


STORED = Measurement("stored", {"stored": pl.Int64()}, take)
"""Examples that are stored."""
