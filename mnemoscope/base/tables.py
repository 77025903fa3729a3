"""Results as tables: polars frames of tensors, and small HTML tables for notebooks."""

from collections.abc import Mapping
from html import escape
from typing import Any

import polars as pl
from torch import Tensor

from mnemoscope.base.text import number

MAX_ROWS = 10
"""Rows of a table that are shown."""


def frame_of(columns: Mapping[str, Tensor | list[Any]]) -> pl.DataFrame:
    """Builds a frame with a column for each tensor of one axis, wherever it lies, or list."""
    return pl.DataFrame(
        {
            name: part.detach().cpu().numpy() if isinstance(part, Tensor) else part
            for name, part in columns.items()
        }
    )


def table_html(title: str, frame: pl.DataFrame, *, most: int = MAX_ROWS) -> str:
    """Formats a title and the first `most` rows of a table; all text is escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(_cell(value))}</td>' for value in row)}</tr>"
        for row in frame.head(most).iter_rows()
    )
    more = len(frame) - most
    note = f"<p>… and {more:,} more rows</p>" if more > 0 else ""
    return (
        f"<p>{escape(title)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"
    )


def _cell(value: Any) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if numeric else str(value)
