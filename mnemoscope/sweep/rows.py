"""The rows of a group: what is known of each run, as a table."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from mnemoscope.sweep.configuration import Configuration
from mnemoscope.sweep.fitting import Fitted
from mnemoscope.sweep.measurements import find_measurement

IDENTITY: dict[str, Any] = {"key": pl.Utf8, "group": pl.Utf8, "code": pl.Utf8, "status": pl.Utf8}
"""The first columns."""

SETTINGS: dict[str, Any] = {
    "kind": pl.Utf8, "shape": pl.Utf8, "activation": pl.Utf8, "output_activation": pl.Utf8,
    "bias": pl.Boolean, "init": pl.Utf8, "width": pl.Int64, "widths": pl.Utf8, "depth": pl.Int64,
    "channels": pl.Int64, "kernel_size": pl.Int64, "downsample": pl.Int64, "levels": pl.Int64,
    "source": pl.Utf8, "n": pl.Int64, "offset": pl.Int64, "size": pl.Int64, "gray": pl.Boolean,
    "column": pl.Utf8, "split": pl.Utf8, "scale": pl.Utf8, "channels_last": pl.Boolean,
    "alpha": pl.Utf8,
    "optimizer": pl.Utf8, "lr": pl.Float64, "schedule": pl.Utf8, "batch_size": pl.Int64,
    "tol": pl.Float64, "max_steps": pl.Int64, "momentum": pl.Float64, "weight_decay": pl.Float64,
    "init_scale": pl.Float64, "unit": pl.Float64, "dtype": pl.Utf8, "finish": pl.Utf8,
    "stop": pl.Utf8, "seed": pl.Int64,
}  # fmt: skip
"""The configuration, a column for each field but the `key` of the data, which names the run."""

OUTCOME: dict[str, Any] = {
    "loss": pl.Float64, "steps": pl.Int64, "seconds": pl.Float64, "parameters": pl.Int64,
    "configuration": pl.Utf8,
}  # fmt: skip
"""What is known of every run; then come the measurements."""

STATUS = ("interpolated", "not_interpolated", "diverged")
"""What becomes of a training."""


def table(
    runs: Sequence[Configuration], keys: Sequence[str], group: str, code: str, fitted: Fitted
) -> pl.DataFrame:
    """A row for each run of a group.

    Args:
        runs: The runs.
        keys: The key of each.
        group: The group's name.
        code: The code's version.
        fitted: What came of them.
    """
    settings = [_settings(run) for run in runs]
    seconds = (fitted.seconds_training + fitted.seconds_measuring) / len(runs)
    columns: dict[str, Any] = {
        "key": keys,
        "group": [group] * len(runs),
        "code": [code] * len(runs),
        "status": [
            STATUS[2] if lost else STATUS[0] if done else STATUS[1]
            for lost, done in zip(fitted.diverged, fitted.interpolated, strict=True)
        ],
        **{name: [one[name] for one in settings] for name in SETTINGS},
        "loss": fitted.loss,
        "steps": fitted.steps,
        "seconds": [seconds] * len(runs),
        "parameters": [runs[0].spec.parameters_count()] * len(runs),
        "configuration": [run.to_json() for run in runs],
    }
    schema = IDENTITY | SETTINGS | OUTCOME
    frame = pl.DataFrame(columns, schema=schema)
    measured = {
        column: dtype
        for name in runs[0].measure.take
        for column, dtype in find_measurement(name).columns.items()
    }
    return frame.with_columns(
        pl.Series(column, values, dtype=measured.get(column), strict=False)
        for column, values in fitted.columns.items()
    )


def _settings(run: Configuration) -> dict[str, Any]:
    """The configuration as plain values under bare names; None where a kind has no such field."""
    told = {
        **run.spec.model_dump(),
        **run.data.model_dump(),
        **asdict(run.options),
    }
    told["shape"] = "×".join(map(str, run.spec.shape))
    if isinstance(width := told.get("width"), list | tuple):
        told |= {"width": None, "widths": "×".join(map(str, width))}
    if isinstance(scale := told["scale"], tuple):
        told["scale"] = "{:g},{:g}".format(*scale)
    return {name: told.get(name) for name in SETTINGS}
