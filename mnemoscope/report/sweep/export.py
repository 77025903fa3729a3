"""Each chart of a sweep as a file of its own."""

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mnemoscope.report.export import write_each
from mnemoscope.report.sweep.charts import sweep_charts


def write_sweep_charts(
    rows: pl.LazyFrame,
    factors: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    format: str = "svg",
) -> list[Path]:
    """Writes each chart of a sweep as `<folder>/<name>.<format>`.

    Args:
        rows: The table, as `mnemoscope.sweep.load` gives it.
        factors: Columns that the design varies, without the seed.
        folder: Made if it is missing.
        format: `svg`, `pdf`, `png` or `html`.

    Returns:
        The files written.

    Raises:
        MnemoscopeError: the format is unknown, or the folder cannot be written to.
    """
    return write_each(sweep_charts(rows, factors), folder, format)
