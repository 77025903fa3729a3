"""Trains and measures the runs of a group, and one of them again."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl
import torch
from torch import Tensor

from mnemoscope.base.errors import DivergenceError, DivergenceWarning, MnemoscopeError
from mnemoscope.nets import Network
from mnemoscope.sweep.columns import ALWAYS, DIVERGED, INTERPOLATED, NOT_INTERPOLATED, SETTINGS
from mnemoscope.sweep.configuration import Configuration, Measure, Run, examples, held_out
from mnemoscope.sweep.measurements import find_measurement
from mnemoscope.sweep.measurements.measurement import Trained
from mnemoscope.training import Fit, ReplicaProgress, Replicas, train, train_replicas
from mnemoscope.training.options import FIRST_ORDER

Say = Callable[[str], object]

_Outcome = dict[str, Any]
"""The columns `loss`, `steps` and `status` of a row; the loss is NaN where a training that was
alone diverged."""

REPORT_EVERY = 5.0
"""Seconds between two lines about a training."""


@dataclass(frozen=True)
class Fitted:
    """The results of the runs of a group.

    Attributes:
        table: A row for each run: see `mnemoscope.sweep.columns`, then what was measured.
        replicas: The networks of the runs that did not diverge; None if all did.
        seconds_training: Duration of the training.
        seconds_measuring: Duration of the measurements.
    """

    table: pl.DataFrame
    replicas: Replicas | None
    seconds_training: float
    seconds_measuring: float


def fit(
    runs: Sequence[Run], group: str = "", code: str = "", *, device: str = "cpu", say: Say = print
) -> Fitted:
    """Trains the runs of a group as replicas and measures them.

    Optimizers that need a line search or a Jacobian train one network after the other.
    """
    begun = time.perf_counter()
    known = [run.configuration for run in runs]
    X = _examples(known)
    trained = _together if known[0].training.optimizer in FIRST_ORDER else _one_by_one
    outcomes, networks = trained(known, X, device, say)
    between = time.perf_counter()
    rows = [row for row, one in enumerate(outcomes) if one["status"] != DIVERGED]
    measured = None if networks is None else _to_measure(networks, runs, X, rows)
    columns: list[pl.Series] = []
    for name in known[0].measure.take:
        measurement = find_measurement(name)
        found: dict[str, list[Any]] = {column: [] for column in measurement.columns}
        if measured is not None:
            at = time.perf_counter()
            with _warnings_logged(say):
                found |= measurement.take(measured)
            say(f"measured {name} in {time.perf_counter() - at:.2f} s")
        for column, values in found.items():
            own = dict(zip(rows, values, strict=False))
            whole = [own.get(row) for row in range(len(runs))]
            columns.append(pl.Series(column, whole, measurement.columns.get(column), strict=False))
    training, measuring = between - begun, time.perf_counter() - between
    shared = {"group": group, "code": code, "seconds": (training + measuring) / len(runs)}
    described = [
        {"key": run.key, **shared, **_described(run.configuration), **outcome}
        for run, outcome in zip(runs, outcomes, strict=True)
    ]
    table = pl.DataFrame(described, schema=ALWAYS).with_columns(columns)
    return Fitted(table, networks, training, measuring)


def network_of(fitted: Fitted, runs: Sequence[Run], row: int) -> Network:
    """Returns the network of a run that did not diverge, with its data's source in its record."""
    assert fitted.replicas is not None
    network = fitted.replicas[int((fitted.table["status"] != DIVERGED)[:row].sum())]
    assert network.training_record is not None
    source = {"source": runs[row].configuration.data.record()}
    network.training_record = network.training_record.model_copy(update=source)
    return network


def train_again(
    configuration: str | Configuration,
    *,
    group: Sequence[str | Configuration] = (),
    device: str = "cpu",
) -> Network:
    """Trains the network of a run again.

    With its whole group, on a machine and with a number of threads as before, it is the same one.
    By itself it differs by rounding, which long training magnifies: a loss of 6e-8 after 20,000
    steps became 3e-8.

    Args:
        configuration: The run's, or the column `configuration` of its row.
        group: The configurations of all runs of its group in their order, it among them; see
            `mnemoscope.sweep.loading.group_rows`. Default: it is trained by itself.
        device: Device to train it on.

    Raises:
        MnemoscopeError: its examples are no longer there, it is not in the group, or it diverges.

    Example:
        >>> from mnemoscope.sweep.configured import configuration
        >>> data = {"source": "digits", "n": 2}
        >>> run = configuration({"width": 16, "depth": 2}, data, {}, {}, seed=0)
        >>> train_again(run).spec.depth
        2
    """
    wanted = _read(configuration)
    known = [_read(one) for one in group] or [wanted]
    if wanted not in known:
        raise MnemoscopeError(
            "a run that is not in its group",
            expected="the configurations of all runs that trained together",
            todo="leave `group` out",
        )
    runs, row = [Run(one, {}, "", first=True) for one in known], known.index(wanted)
    found = fit(runs, device=device, say=lambda line: None)
    if found.table["status"][row] == DIVERGED:
        raise MnemoscopeError(
            f"the run of seed {wanted.seed}, which diverges",
            expected="one that can be trained",
            todo="choose another one",
        )
    return network_of(found, runs, row)


@contextmanager
def _warnings_logged(say: Say) -> Iterator[None]:
    """Sends warnings to the log: a sweep has no terminal for each of its runs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for text in dict.fromkeys(str(one.message) for one in caught):
        say(f"warning: {text}")


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


def _together(
    runs: Sequence[Configuration], X: Tensor, device: str, say: Say
) -> tuple[list[_Outcome], Replicas | None]:
    reported = [time.perf_counter()]

    def progress(now: ReplicaProgress) -> None:
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
    lost = replicas.diverged.tolist()
    outcomes = [_outcome(one, lost=own) for one, own in zip(replicas.fits, lost, strict=True)]
    rows = (~replicas.diverged).nonzero()[:, 0].tolist()
    if len(rows) == len(runs):
        return outcomes, replicas
    kept = replace(
        replicas,
        fits=tuple(replicas.fits[row] for row in rows),
        diverged=replicas.diverged[rows],
        parameters=tuple(values[rows] for values in replicas.parameters),
    )
    return outcomes, kept if rows else None


def _one_by_one(
    runs: Sequence[Configuration], X: Tensor, device: str, say: Say
) -> tuple[list[_Outcome], Replicas | None]:
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
            outcomes.append({"loss": math.nan, "steps": 0, "status": DIVERGED})
            continue
        outcomes.append(_outcome(found))
        fits.append(found)
        networks.append(network)
        say(f"seed {run.seed}: loss {found.loss:.2e} after {found.steps} steps")
    if not networks:
        return outcomes, None
    parameters = zip(*(network.parameters() for network in networks), strict=True)
    replicas = Replicas(
        spec=runs[0].spec,
        fits=tuple(fits),
        diverged=torch.zeros(len(fits), dtype=torch.bool),
        seconds=sum(found.seconds for found in fits),
        parameters=tuple(torch.stack([p.detach() for p in each]) for each in parameters),
    )
    return outcomes, replicas


def _outcome(found: Fit, *, lost: bool = False) -> _Outcome:
    status = DIVERGED if lost else INTERPOLATED if found.converged else NOT_INTERPOLATED
    return {"loss": found.loss, "steps": found.steps, "status": status}


def _described(run: Configuration) -> dict[str, Any]:
    """Returns the configuration as plain values by column; None where a kind lacks a field."""
    values = {**run.spec.model_dump(), **run.data.model_dump(), **asdict(run.options)}
    values["shape"] = "×".join(map(str, run.spec.shape))
    if isinstance(width := values.get("width"), list | tuple):
        values |= {"width": None, "widths": "×".join(map(str, width))}
    if isinstance(scale := values["scale"], tuple):
        values["scale"] = "{:g},{:g}".format(*scale)
    return {
        **{name: values.get(name) for name in SETTINGS},
        "parameters": run.spec.parameters_count(),
        "configuration": run.to_json(),
    }


def _to_measure(replicas: Replicas, runs: Sequence[Run], X: Tensor, rows: list[int]) -> Trained:
    like, known = replicas.parameters[0], [runs[row].configuration for row in rows]
    own = X.ndim == len(known[0].spec.shape) + 2
    # What all share is one view of one tensor, which the measurements know how to use.
    X = X.to(like)
    held = {
        run.configuration.data: held_out(run.configuration.data, known[0].measure) for run in runs
    }
    others = [one for run in known if (one := held[run.data]) is not None]
    if not others:
        unseen = None
    elif len(held) == 1:
        unseen = others[0].to(like).expand(len(rows), *others[0].shape)
    else:
        unseen = torch.stack(others).to(like)
    return Trained(
        replicas=replicas,
        X=X[rows] if own else X.expand(len(rows), *X.shape),
        held_out=unseen,
        seeds=tuple(run.seed for run in known),
        first=tuple(runs[row].first for row in rows),
        measure=known[0].measure,
    )


def _read(configuration: str | Configuration) -> Configuration:
    if not isinstance(configuration, str | Configuration):
        raise MnemoscopeError(
            f"a row of a damaged table, whose configuration is {configuration}",
            expected="what a sweep wrote into that column",
            todo="choose another row, or run the sweep again",
        )
    if isinstance(configuration, str):
        configuration = Configuration.from_json(configuration)
    return replace(configuration, measure=Measure(take=()))
