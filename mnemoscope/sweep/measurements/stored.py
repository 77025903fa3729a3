"""Counts the examples that a network stores."""

from mnemoscope.base.quantity import Quantity
from mnemoscope.measure.replicas import stored_by_replica
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def take(trained: Trained) -> dict[str, list]:
    """Counts the examples whose own orbits end at a fixed point that attracts and matches them.

    See `mnemoscope.measure.replicas.stored_by_replica`.
    """
    return {"stored": stored_by_replica(trained.replicas, trained.X).sum(1).tolist()}


MEASUREMENT = Measurement(
    "stored", (Quantity("stored", "count", "stored training examples", total="n"),), take
)
