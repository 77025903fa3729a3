"""The columns that the rows of every sweep have, whatever is measured."""

from typing import Any

import polars as pl

IDENTITY: dict[str, Any] = {"key": pl.Utf8, "group": pl.Utf8, "code": pl.Utf8, "status": pl.Utf8}
"""The first columns."""

SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("kind", "shape", "activation", "output_activation"), pl.Utf8),
    "bias": pl.Boolean,
    "init": pl.Utf8,
    "width": pl.Int64,
    "widths": pl.Utf8,
    **dict.fromkeys(("depth", "channels", "kernel_size", "downsample", "levels"), pl.Int64),
    "source": pl.Utf8,
    **dict.fromkeys(("n", "offset", "size"), pl.Int64),
    "gray": pl.Boolean,
    **dict.fromkeys(("column", "split", "scale"), pl.Utf8),
    "channels_last": pl.Boolean,
    **dict.fromkeys(("alpha", "optimizer"), pl.Utf8),
    "lr": pl.Float64,
    "schedule": pl.Utf8,
    "batch_size": pl.Int64,
    "tol": pl.Float64,
    "max_steps": pl.Int64,
    **dict.fromkeys(("momentum", "weight_decay", "noise", "init_scale"), pl.Float64),
    "unit": pl.Float64,
    **dict.fromkeys(("dtype", "finish", "stop"), pl.Utf8),
    "seed": pl.Int64,
}
"""The configuration: a column for each field but the `key` of the data, which names the run."""

OUTCOME: dict[str, Any] = {
    "loss": pl.Float64,
    "steps": pl.Int64,
    "seconds": pl.Float64,
    "parameters": pl.Int64,
    "configuration": pl.Utf8,
}
"""The result of every training; the measurements follow."""

INTERPOLATED, NOT_INTERPOLATED, DIVERGED = "interpolated", "not_interpolated", "diverged"
STATUS = (INTERPOLATED, NOT_INTERPOLATED, DIVERGED)
"""Results of a training."""

ALWAYS: dict[str, Any] = IDENTITY | SETTINGS | OUTCOME
"""All of them, in order."""
