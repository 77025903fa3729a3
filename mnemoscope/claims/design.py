"""The design of a claim: networks that are trained as replicas, and what is measured of them."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.errors import DivergenceWarning
from mnemoscope.nets import Network, Spec
from mnemoscope.sweep.configuration import Measure
from mnemoscope.sweep.measurements import Trained, find_measurement
from mnemoscope.training import TrainingOptions, train_replicas

IN_REGIME = "in_regime"
"""Column of runs: whether they lie in the claim's regime."""

FULL_BATCHES = pl.col("batch_size") == pl.col("n")
"""Runs whose steps each take all examples."""

NETWORK = pl.format("{} × {}", "width", "depth").alias("network")
"""The network of a run: width and depth."""

Row = dict[str, Any]
Rows = Iterable[Row | list[Row]]
"""Measurements: for each network a row, or a list of several."""


@dataclass(frozen=True)
class Setting:
    """One combination of a design's factors, run once with each seed.

    Attributes:
        spec: What the networks are built from.
        X: `(n, *shape)`, the examples of all of them; or `(R, n, *shape)`, each network's own.
        seeds: The seed of each network.
        levels: Further columns of the table of runs.
        training: Fields of `TrainingOptions`; a list has a value for each network.
        measure: Measurements of a sweep by name, null for networks that did not interpolate; or
            functions that measure the trained networks.
        targets: What to map each example to (default: itself).
        interpolation: The loss that counts as interpolation (default: the one at which training
            stops).
        in_regime: Whether its runs lie in the claim's regime and decide its verdict.
    """

    spec: Spec
    X: Float[Tensor, "n *shape"] | Float[Tensor, "r n *shape"]
    seeds: Sequence[int]
    levels: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    measure: tuple[str | Callable[[Trained], Rows], ...] = ()
    targets: Tensor | None = None
    interpolation: float | None = None
    in_regime: bool = True


def rows_of(
    settings: Iterable[Setting],
    columns: Mapping[str, pl.DataType] | None = None,
    *,
    device: str = "cpu",
) -> pl.DataFrame:
    """Trains the networks of all settings and measures them, in memory.

    Args:
        settings: The networks.
        columns: Columns that are null where nothing could be measured, with their types.
        device: Device of the computation.

    Returns:
        A row for each network, or as many as its measurement gives: the fields of its spec, the
        options of its training, `n`, the levels, `seed`, `loss`, `steps`, `interpolated`,
        `diverged`, and what was measured.
    """
    known = dict(columns or {})
    found = []
    for setting in settings:
        known |= _columns_by_name(setting)
        found += _rows(setting, device)
    return pl.DataFrame(
        [dict.fromkeys(known) | row for row in found],
        schema_overrides=known,
        infer_schema_length=None,
    )


def trained(setting: Setting, device: str = "cpu") -> Trained:
    """Trains the networks of a setting."""
    with warnings.catch_warnings():
        # The table lists which diverged.
        warnings.simplefilter("ignore", DivergenceWarning)
        replicas = train_replicas(
            setting.spec,
            setting.X,
            [_options(setting, r, seed) for r, seed in enumerate(setting.seeds)],
            targets=setting.targets,
            device=device,
        )
    X = setting.X.to(replicas.parameters[0])
    own = X.ndim == len(setting.spec.shape) + 2
    return Trained(
        replicas=replicas,
        X=X if own else X.expand(len(setting.seeds), *X.shape),
        held_out=None,
        seeds=tuple(setting.seeds),
        first=tuple(seed == setting.seeds[0] for seed in setting.seeds),
        measure=Measure(),
    )


def _options(setting: Setting, r: int, seed: int) -> TrainingOptions:
    own = {
        name: value[r] if isinstance(value, list) else value
        for name, value in setting.training.items()
    }
    return TrainingOptions(**own, seed=seed)


def _rows(setting: Setting, device: str) -> Iterator[Row]:
    networks, limit = trained(setting, device), setting.interpolation
    runs = [
        [
            {
                **_factors(setting, r),
                "seed": seed,
                "loss": fit.loss,
                "steps": fit.steps,
                "interpolated": fit.converged if limit is None else fit.loss <= limit,
                "diverged": bool(networks.replicas.diverged[r]),
            }
        ]
        for r, (seed, fit) in enumerate(zip(setting.seeds, networks.replicas.fits, strict=True))
    ]
    for measure in setting.measure:
        measured = _by_name(measure, networks) if isinstance(measure, str) else measure(networks)
        for run, rows in zip(runs, measured, strict=True):
            more = [rows] if isinstance(rows, dict) else rows
            if isinstance(measure, str) and not run[0]["interpolated"]:
                continue
            run[:] = [before | row for before in run for row in more]
    for run in runs:
        yield from run


def _factors(setting: Setting, r: int) -> Row:
    """Returns the factors of network `r`: its spec, its training, its examples."""
    training = {
        name: value[r] if isinstance(value, list) else value
        for name, value in setting.training.items()
        if isinstance(value, (str, int, float, list))
    }
    fields = setting.spec.model_dump(exclude={"shape", "kind"})
    n = setting.X.shape[-len(setting.spec.shape) - 1]
    return {**fields, **training, "n": n, **setting.levels, IN_REGIME: setting.in_regime}


def _by_name(name: str, networks: Trained) -> Rows:
    columns = find_measurement(name).take(networks)
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def _columns_by_name(setting: Setting) -> dict[str, pl.DataType]:
    names = (name for name in setting.measure if isinstance(name, str))
    return {
        column: dtype for name in names for column, dtype in find_measurement(name).columns.items()
    }


def each_network(trained: Trained) -> Iterator[tuple[Network, Tensor, int, bool]]:
    """Yields every network with its examples, its seed, and whether it interpolates."""
    for net, X, seed, fit in zip(
        trained.replicas, trained.X, trained.seeds, trained.replicas.fits, strict=True
    ):
        yield net, X, seed, fit.converged


def noise_images(n: int, size: int, *, seed: int) -> Float[Tensor, "n 1 s s"]:
    """Draws `n` grey images with every entry uniform in [0, 1].

    For sizes at which crops of photographs are almost constant, and not generic images.
    """
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed))
