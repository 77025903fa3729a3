"""The audit's tables as CSV, carried inside the page."""

import base64
from dataclasses import dataclass

from mnemoscope.results.audit import Audit
from mnemoscope.results.tables import SCHEMAS

LARGEST = 1_000_000
"""Bytes of CSV: a larger table is named, not carried."""


@dataclass(frozen=True)
class Download:
    """A table to download.

    Attributes:
        name: The table's.
        rows: How many it has.
        size: In kilobytes.
        uri: `data:text/csv;base64,...`, or an empty string if it is too large for the page.
    """

    name: str
    rows: int
    size: int
    uri: str


def downloads(audit: Audit) -> list[Download]:
    """Every table that has rows."""
    found = []
    for name in SCHEMAS:
        table = getattr(audit, name)
        if not table.height:
            continue
        text = table.write_csv().encode()
        encoded = base64.b64encode(text).decode("ascii")
        uri = f"data:text/csv;charset=utf-8;base64,{encoded}" if len(text) <= LARGEST else ""
        found.append(Download(name, table.height, max(1, round(len(text) / 1000)), uri))
    return found
