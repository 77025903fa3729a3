"""The result of a training, its progress and its history."""

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, Generic, TypeVar

import polars as pl

from mnemoscope.nets import FinishRecord, HistoryRow, TrainingRecord
from mnemoscope.training.options import TrainingOptions

HISTORY_ROWS = 1000
"""When the history grows longer than this, every second row of it is dropped."""

HISTORY = {"step": pl.Int64, "seconds": pl.Float64, "loss": pl.Float64, "lr": pl.Float64}
"""The columns of `Fit.history`."""

Row = TypeVar("Row")


@dataclass(frozen=True)
class Progress:
    """The state of a training.

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
class ReplicaProgress:
    """The state of a training of many networks.

    Attributes:
        step: Optimizer steps that the present group has taken so far.
        seconds: Time since that group's start.
        running: Replicas that are in training, or wait for it.
        converged: Replicas that have left without diverging.
        diverged: Replicas that have diverged.
        loss: The largest loss among those in training.
    """

    step: int
    seconds: float
    running: int
    converged: int
    diverged: int
    loss: float


@dataclass(frozen=True)
class Fit:
    """The result of a training.

    Attributes:
        record: The options, the outcome and the history, as saved with the network.
    """

    record: TrainingRecord

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._summary().items())
        return f"Fit({values})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{name}</th><td>{escape(str(value))}</td></tr>"
            for name, value in {**self._summary(), **self.record.options}.items()
        )
        return f"<table>{rows}</table>"

    @property
    def loss(self) -> float:
        """Training loss of the network as it is now: mean squared error, in squared units."""
        return self.record.loss

    @property
    def steps(self) -> int:
        """Optimizer steps taken."""
        return self.record.steps

    @property
    def converged(self) -> bool:
        """True if `loss <= tol`: the network interpolates its examples."""
        return self.record.converged

    @property
    def seconds(self) -> float:
        """Duration, in seconds."""
        return self.record.seconds

    @property
    def frozen_at(self) -> int | None:
        """The step from which running statistics were held constant; None: never.

        They are where with statistics that follow the batches the loss no longer fell; see
        `mnemoscope.training.running_statistics`.
        """
        return self.record.frozen_at

    @property
    def reason(self) -> str:
        """The reason why training ended without having converged; empty if it has."""
        return self.record.reason

    @property
    def loss_before_finish(self) -> float | None:
        """The training loss when the finish began; None: it did not."""
        return None if self.record.finish is None else self.record.finish.loss_before

    @property
    def finish_update(self) -> float | None:
        """The norm of the finish's change, as a share of that of the weights that it changed."""
        return None if self.record.finish is None else self.record.finish.update

    @property
    def options(self) -> TrainingOptions:
        """The options, with nothing left open."""
        return TrainingOptions.of(self.record.options)

    @property
    def history(self) -> pl.DataFrame:
        """The loss along the way, oldest first, at most about a thousand rows.

        Columns: `step`, `seconds`, `loss` (in squared units), `lr`.
        """
        return pl.DataFrame([row.model_dump() for row in self.record.history], schema=HISTORY)

    def to_frame(self) -> pl.DataFrame:
        """Returns `history`."""
        return self.history

    def _summary(self) -> dict[str, Any]:
        names = ("loss", "steps", "converged", "seconds", "reason")
        values = {name: value for name in names if (value := getattr(self.record, name)) != ""}
        if self.record.finish is None:
            return values
        return {
            **values,
            "loss_before_finish": self.loss_before_finish,
            "finish_update": self.finish_update,
        }


def fit_of(
    options: TrainingOptions,
    provenance: dict[str, Any],
    history: list[HistoryRow],
    *,
    reason: str,
    frozen_at: int | None = None,
    finish: FinishRecord | None = None,
) -> Fit:
    """Builds the result of a training from its history, whose last row is the outcome."""
    last = history[-1]
    converged = last.loss <= options.tol
    record = TrainingRecord(
        options=asdict(options),
        steps=last.step,
        loss=last.loss,
        seconds=last.seconds,
        converged=converged,
        reason="" if converged else reason,
        frozen_at=frozen_at,
        finish=finish,
        history=tuple(history),
        **provenance,
    )
    return Fit(record)


@dataclass
class History(Generic[Row]):
    """Rows noted round by round, evenly thinned.

    Attributes:
        rows: The rows, oldest first.
        stride: Rounds between two rows.
    """

    rows: list[Row] = field(default_factory=list)
    stride: int = 1

    def note(self, round: int, row: Row) -> None:
        """Keeps the row if it is this round's turn."""
        if round % self.stride:
            return
        self.rows.append(row)
        if len(self.rows) > HISTORY_ROWS:
            self.rows = self.rows[1::2]
            self.stride *= 2
