"""Counts the noisy copies of examples that a network leads back to their own example."""

from mnemoscope.base.quantity import Quantity
from mnemoscope.data import corrupt
from mnemoscope.dynamics.stored import recalled_copies
from mnemoscope.maps import SelfMap
from mnemoscope.sweep.measurements.measurement import Measurement, Trained


def take(trained: Trained) -> dict[str, list]:
    """Counts recalled copies: `measure.trials` of each example, with noise of `measure.noise`.

    A copy is recalled if its orbit ends at an attractor that matches its own example. One network
    after the other; the noise is drawn by the run's seed.
    """
    measure, n = trained.measure, trained.X.shape[1]
    recalled = []
    for net, X, seed in zip(trained.replicas, trained.X, trained.seeds, strict=True):
        copies = corrupt(X, "gaussian", measure.noise, seed=seed, trials=measure.trials)
        f = SelfMap(net)
        recalled.append(int(recalled_copies(f, copies, X, max_steps=measure.orbit_steps).sum()))
    return {"trials": [n * measure.trials] * len(recalled), "recalled": recalled}


MEASUREMENT = Measurement(
    "recall",
    (
        Quantity("trials", "count", "noisy copies of training examples"),
        Quantity(
            "recalled",
            "count",
            "noisy copies of training examples that are recalled",
            total="trials",
        ),
    ),
    take,
)
