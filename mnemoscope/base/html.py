"""Small HTML tables that notebooks show for results."""

from html import escape
from typing import TYPE_CHECKING, Any

from mnemoscope.base.text import number

if TYPE_CHECKING:
    import polars as pl

MAX_ROWS = 10
"""Rows of a table that are shown."""


def table_html(title: str, frame: "pl.DataFrame") -> str:
    """Formats a title and the first rows of a table; what they hold is escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(_cell(value))}</td>' for value in row)}</tr>"
        for row in frame.head(MAX_ROWS).iter_rows()
    )
    more = len(frame) - MAX_ROWS
    note = f"<p>… and {more:,} more rows</p>" if more > 0 else ""
    return (
        f"<p>{escape(title)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"
    )


def _cell(value: Any) -> str:
    return (
        number(value)
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value)
    )
