"""What a training gives back, and what it tells on the way."""

from dataclasses import dataclass, field

from mnemoscope.nets import HistoryRow, TrainingRecord


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Optimizer steps taken so far.
        seconds: Time since the start (time before a resumption included).
        loss: Training loss, in squared units: of the last step, or mean over the last pass of
            mini-batches.
        lr: Learning rate.
    """

    step: int
    seconds: float
    loss: float
    lr: float


@dataclass(frozen=True)
class Fit:
    """The result of a training.

    Attributes:
        loss: Training loss of the network as it is now: mean squared error over all entries, in
            squared units.
        steps: Optimizer steps taken.
        converged: Whether `loss <= tol`: the network interpolates its examples.
        seconds: How long it took, in seconds.
        history: The loss along the way, oldest first; at most about a thousand rows.
        record: All of this and the settings, as saved with the network.
        frozen_at: The step from which on running statistics were held constant, since with those
            that follow the batches the loss no longer fell; None: never. See
            `mnemoscope.training.running_statistics`.
        reason: Why training ended without having converged; empty if it has.
    """

    loss: float
    steps: int
    converged: bool
    seconds: float
    history: tuple[HistoryRow, ...] = field(repr=False)
    record: TrainingRecord = field(repr=False)
    frozen_at: int | None = field(default=None, repr=False)
    reason: str = ""
