"""The ends of orbits from noise: at an example, at a spurious attractor, at none."""

from mnemoscope.base.quantity import Quantity, columns_of
from mnemoscope.dynamics import Starts, find_attractors
from mnemoscope.dynamics.outcomes import count_outcomes
from mnemoscope.dynamics.starts import Range
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

QUANTITIES = (
    Quantity("starts", "count", "noise starts", needs_fit=False),
    Quantity(
        "at_examples",
        "count",
        "noise starts that end at a training example",
        total="starts",
        needs_fit=False,
    ),
    Quantity(
        "spurious",
        "count",
        "noise starts that end at a spurious attractor",
        total="starts",
        needs_fit=False,
    ),
    Quantity(
        "not_settled", "count", "noise starts that did not settle", total="starts", needs_fit=False
    ),
    Quantity(
        "examples_reached", "count", "training examples that a noise start ends at", total="n"
    ),
    Quantity("spurious_attractors", "count", "spurious attractors", needs_fit=False),
)
"""Named as the fields of `mnemoscope.dynamics.outcomes.OutcomeCounts`."""


def take(trained: Trained) -> dict[str, list]:
    """Counts the outcomes of `measure.starts` starts, drawn by the run's seed in its data's range.

    One network after the other; starts are drawn in blocks, whatever their number.
    """
    measure = trained.measure
    found = []
    for net, X, seed in zip(trained.replicas, trained.X, trained.seeds, strict=True):
        starts = Starts(measure.start_kind, measure.starts, Range.of(X), seed)
        census = find_attractors(net, starts, X, max_steps=measure.orbit_steps)
        found.append(count_outcomes(census))
    return {name: [getattr(one, name) for one in found] for name in columns_of(QUANTITIES)}


MEASUREMENT = Measurement("outcomes", QUANTITIES, take)
