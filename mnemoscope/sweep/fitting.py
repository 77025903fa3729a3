"""Trains and measures the runs of a group."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mnemoscope.base.errors import DivergenceError, DivergenceWarning, MnemoscopeError
from mnemoscope.nets import Network
from mnemoscope.sweep.configuration import Configuration, examples, held_out
from mnemoscope.sweep.measurements import find_measurement
from mnemoscope.sweep.measurements.measurement import Trained
from mnemoscope.training import Fit, Replicas, train, train_replicas
from mnemoscope.training.options import FIRST_ORDER

Say = Callable[[str], object]

REPORT_EVERY = 5.0
"""Seconds between two lines about a training."""


@dataclass(frozen=True)
class Fitted:
    """The results of the runs of a group.

    Attributes:
        loss: The loss of each run; NaN where a training diverged that was trained alone.
        steps: The steps of each run.
        interpolated: Whether each run interpolated.
        diverged: Whether each run diverged.
        columns: The measured values by column, one for each run; None where it diverged.
        replicas: The networks of the runs that did not diverge; None if all did.
        rows: The indices of these runs.
        seconds_training: Duration of the training.
        seconds_measuring: Duration of the measurements.
    """

    loss: list[float]
    steps: list[int]
    interpolated: list[bool]
    diverged: list[bool]
    columns: dict[str, list[Any]]
    replicas: Replicas | None
    rows: list[int]
    seconds_training: float
    seconds_measuring: float


def fit(
    runs: Sequence[Configuration], first: Sequence[bool], *, device: str = "cpu", say: Say = print
) -> Fitted:
    """Trains the runs of a group as replicas and measures them.

    Optimizers that need a line search or a Jacobian train one network after the other.
    """
    begun = time.perf_counter()
    X = _examples(runs)
    together = runs[0].training.optimizer in FIRST_ORDER
    trained = (_together if together else _one_by_one)(runs, X, device, say)
    between = time.perf_counter()
    diverged = [one.diverged for one in trained.outcomes]
    rows = [row for row, lost in enumerate(diverged) if not lost]
    columns: dict[str, list[Any]] = {}
    networks = trained.replicas
    measured = None if networks is None else _to_measure(networks, runs, first, X, rows)
    for name in runs[0].measure.take:
        measurement = find_measurement(name)
        found: dict[str, list[Any]] = {column: [] for column in measurement.columns}
        if measured is not None:
            at = time.perf_counter()
            with _warnings_logged(say):
                found |= measurement.take(measured)
            say(f"measured {name} in {time.perf_counter() - at:.2f} s")
        columns |= {column: _spread(values, rows, len(runs)) for column, values in found.items()}
    return Fitted(
        loss=[one.loss for one in trained.outcomes],
        steps=[one.steps for one in trained.outcomes],
        interpolated=[one.converged for one in trained.outcomes],
        diverged=diverged,
        columns=columns,
        replicas=networks,
        rows=rows,
        seconds_training=between - begun,
        seconds_measuring=time.perf_counter() - between,
    )


def network_of(fitted: Fitted, runs: Sequence[Configuration], row: int) -> Network:
    """Returns the network of a run that did not diverge, with its data's source in its record."""
    assert fitted.replicas is not None
    network = fitted.replicas[fitted.rows.index(row)]
    assert network.training_record is not None
    source = runs[row].data.record()
    network.training_record = network.training_record.model_copy(update={"source": source})
    return network


@contextmanager
def _warnings_logged(say: Say) -> Iterator[None]:
    """Sends warnings to the log: a sweep has no terminal for each of its runs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for text in dict.fromkeys(str(one.message) for one in caught):
        say(f"warning: {text}")


@dataclass(frozen=True)
class _Outcome:
    """The result of one training."""

    loss: float
    steps: int
    converged: bool
    diverged: bool


@dataclass(frozen=True)
class _Trained:
    """All trainings, and the networks of those that did not diverge."""

    outcomes: list[_Outcome]
    replicas: Replicas | None


def _examples(runs: Sequence[Configuration]) -> Tensor:
    """Returns `(n, *shape)` where all have the same examples, `(r, n, *shape)` otherwise."""
    for run in {run.data: run for run in runs}.values():
        if examples(run.data)[1] != run.data_checksum:
            # A worker that lives long may have read them before they changed.
            examples.cache_clear()
        if examples(run.data)[1] != run.data_checksum:
            raise MnemoscopeError(
                f"{run.data.source}, whose examples are not those that were planned",
                expected="data that stay as they are while a sweep runs",
                todo="plan the sweep anew",
            )
    if len({run.data_checksum for run in runs}) == 1:
        return examples(runs[0].data)[0]
    return torch.stack([examples(run.data)[0] for run in runs])


def _together(runs: Sequence[Configuration], X: Tensor, device: str, say: Say) -> _Trained:
    reported = [time.perf_counter()]

    def progress(now: Any) -> None:
        if time.perf_counter() - reported[0] >= REPORT_EVERY:
            reported[0] = time.perf_counter()
            say(
                f"step {now.step}, {now.running} in training, {now.converged} converged, "
                f"{now.diverged} diverged, largest loss {now.loss:.2e}"
            )

    with warnings.catch_warnings():
        # A run that diverges is marked in its row.
        warnings.simplefilter("ignore", DivergenceWarning)
        options = [run.options for run in runs]
        replicas = train_replicas(runs[0].spec, X, options, device=device, on_progress=progress)
    outcomes = [
        _Outcome(one.loss, one.steps, one.converged and not lost, lost)
        for one, lost in zip(replicas.fits, replicas.diverged.tolist(), strict=True)
    ]
    return _Trained(outcomes, _only(replicas, [not one.diverged for one in outcomes]))


def _one_by_one(runs: Sequence[Configuration], X: Tensor, device: str, say: Say) -> _Trained:
    own = X.ndim == len(runs[0].spec.shape) + 2
    outcomes: list[_Outcome] = []
    fits: list[Fit] = []
    networks = []
    for row, run in enumerate(runs):
        dtype = getattr(torch, run.training.dtype or "float32")
        network = run.spec.build(seed=run.seed, dtype=dtype, device=device)
        try:
            found = train(
                network, (X[row] if own else X).to(device=device, dtype=dtype), run.options
            )
        except DivergenceError as error:
            say(f"seed {run.seed}: {error}")
            outcomes.append(_Outcome(float("nan"), 0, False, True))
            continue
        outcomes.append(_Outcome(found.loss, found.steps, found.converged, False))
        fits.append(found)
        networks.append(network)
        say(f"seed {run.seed}: loss {found.loss:.2e} after {found.steps} steps")
    if not networks:
        return _Trained(outcomes, None)
    parameters = zip(*(network.parameters() for network in networks), strict=True)
    replicas = Replicas(
        spec=runs[0].spec,
        fits=tuple(fits),
        diverged=torch.zeros(len(fits), dtype=torch.bool),
        seconds=sum(found.seconds for found in fits),
        parameters=tuple(torch.stack([p.detach() for p in each]) for each in parameters),
    )
    return _Trained(outcomes, replicas)


def _only(replicas: Replicas, kept: list[bool]) -> Replicas | None:
    if all(kept):
        return replicas
    rows = [row for row, stays in enumerate(kept) if stays]
    if not rows:
        return None
    return Replicas(
        spec=replicas.spec,
        fits=tuple(replicas.fits[row] for row in rows),
        diverged=replicas.diverged[rows],
        seconds=replicas.seconds,
        parameters=tuple(values[rows] for values in replicas.parameters),
    )


def _to_measure(
    replicas: Replicas,
    runs: Sequence[Configuration],
    first: Sequence[bool],
    X: Tensor,
    rows: list[int],
) -> Trained:
    like = replicas.parameters[0]
    own = X.ndim == len(runs[0].spec.shape) + 2
    # What all share is one view of one tensor, which the measurements know how to use.
    X = X.to(like)
    states = X[rows] if own else X.expand(len(rows), *X.shape)
    fresh = {run.data: held_out(run.data, run.measure) for run in runs}
    others = [one for row in rows if (one := fresh[runs[row].data]) is not None]
    shared = len(fresh) == 1 and others
    return Trained(
        replicas=replicas,
        X=states,
        held_out=others[0].to(like).expand(len(rows), *others[0].shape)
        if shared
        else torch.stack(others).to(like)
        if others
        else None,
        seeds=tuple(runs[row].seed for row in rows),
        first=tuple(first[row] for row in rows),
        measure=runs[0].measure,
    )


def _spread(values: list[Any], rows: list[int], count: int) -> list[Any]:
    """Returns the values of some runs among all; None for the others."""
    whole: list[Any] = [None] * count
    for row, value in zip(rows, values, strict=False):
        whole[row] = value
    return whole
