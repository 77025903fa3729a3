"""A measured quantity: its name, what kind of value it has, its label and its unit."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

Kind = Literal["rate", "share", "count", "number", "truth", "text", "image"]

_DTYPES: dict[str, pl.DataType] = {
    "rate": pl.Int64(),
    "share": pl.Int64(),
    "count": pl.Int64(),
    "number": pl.Float64(),
    "truth": pl.Boolean(),
    "text": pl.String(),
    "image": pl.Binary(),
}


@dataclass(frozen=True)
class Quantity:
    """A quantity that is measured, declared once, next to the code that computes it.

    Schemas, labels of charts and pages, and comparisons are derived from the declaration.

    Attributes:
        name: The name in tables and summaries: `held_out_error`.
        kind: `rate`: a count out of a total, stored as the columns `NAME_count` and `NAME_total`.
            `share`: the same, without an interval. `count`: a whole number. `number`: a real one.
            `truth`: true or false. `text`. `image`: a PNG.
        label: The name for people, in lower case: `stored examples`; empty: programs alone read it.
        unit: The unit of a number: `s`, `pixels`; `unit` for the unit of the data. Default: none.
        total: Of a count, the quantity that it is a share of: `n` for counts of training examples.
        main: The quantity measures how much is memorized: a rise makes a model worse.
        needs_fit: The quantity concerns the training examples, so that it counts only where the
            network interpolates them.

    Example:
        >>> Quantity("recalled", "count", "recalled copies", total="trials").share
        ('recalled', 'trials')
        >>> Quantity("audit_stored", "rate", "stored examples").columns
        {'audit_stored_count': Int64, 'audit_stored_total': Int64}
    """

    name: str
    kind: Kind
    label: str
    unit: str = ""
    total: str | None = None
    needs_fit: bool = True
    main: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """The dtype of its columns."""
        return _DTYPES[self.kind]

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Its columns in a table, with their dtype."""
        ends = ("_count", "_total") if self.kind in ("rate", "share") else ("",)
        return {f"{self.name}{end}": self.dtype for end in ends}

    @property
    def share(self) -> tuple[str, str] | None:
        """The columns of a count and of the total that it is a share of; None for other kinds."""
        if self.kind in ("rate", "share"):
            count, total = self.columns
            return count, total
        return (self.name, self.total) if self.kind == "count" and self.total else None


def columns_of(quantities: Iterable[Quantity]) -> dict[str, pl.DataType]:
    """Returns the columns of several quantities, with their dtypes."""
    return {name: dtype for one in quantities for name, dtype in one.columns.items()}
