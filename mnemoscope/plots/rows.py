"""A table as the rows that a chart carries: JSON values only."""

import math
from typing import Any

import altair as alt
import polars as pl


def known(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The rows in which every one of the columns is a finite number."""
    return frame.filter(
        *(
            pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64).is_finite()
            for name in columns
        )
    )


def chart_data(frame: pl.DataFrame, digits: int = 6) -> alt.InlineData:
    """The table as inline data: floats to `digits` significant digits, None for what is not one."""
    return alt.InlineData(
        values=[
            {name: _json_value(value, digits) for name, value in row.items()}
            for row in frame.iter_rows(named=True)
        ]
    )


def _json_value(value: Any, digits: int) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
