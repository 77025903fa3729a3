"""The rows of a group: the identity, settings and results of each run, as a table."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from mnemoscope.sweep.columns import ALWAYS, SETTINGS, STATUS
from mnemoscope.sweep.configuration import Configuration
from mnemoscope.sweep.fitting import Fitted
from mnemoscope.sweep.measurements import find_measurement


def table(
    runs: Sequence[Configuration], keys: Sequence[str], group: str, code: str, fitted: Fitted
) -> pl.DataFrame:
    """Returns a row for each run of a group."""
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
    frame = pl.DataFrame(columns, schema=ALWAYS)
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
    """Returns the configuration as plain values by column; None where a kind lacks a field."""
    values = {
        **run.spec.model_dump(),
        **run.data.model_dump(),
        **asdict(run.options),
    }
    values["shape"] = "×".join(map(str, run.spec.shape))
    if isinstance(width := values.get("width"), list | tuple):
        values |= {"width": None, "widths": "×".join(map(str, width))}
    if isinstance(scale := values["scale"], tuple):
        values["scale"] = "{:g},{:g}".format(*scale)
    return {name: values.get(name) for name in SETTINGS}
