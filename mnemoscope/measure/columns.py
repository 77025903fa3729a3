"""Columns that packages add to the table of examples: a number for each training example."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl
import torch
from torch import Tensor

from mnemoscope.base.discovery import Registry
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.quantity import Quantity
from mnemoscope.measure.subject import Subject
from mnemoscope.results.tables import EXAMPLES

KINDS = ("count", "number", "truth", "text")
"""Kinds of quantities that a column can hold."""


@dataclass(frozen=True)
class Column:
    """A measurement of each training example, which becomes a column of `Audit.examples`.

    A module of `mnemoscope.measure` declares one as `COLUMN`, an installed package by an entry
    point of the group `mnemoscope.measure`.

    Attributes:
        quantity: Its name, kind (`count`, `number`, `truth` or `text`), label and unit.
        take: Computes a value for each example of a subject, `(n,)`: a tensor or a sequence, with
            None or NaN where there is none.
    """

    quantity: Quantity
    take: Callable[[Subject], Tensor | Sequence[Any]]

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.quantity.name


COLUMNS = Registry(Column, __name__, __file__)
"""All added columns by name."""


def added_columns(subject: Subject) -> dict[str, list[Any]]:
    """Computes the added columns at the examples of a subject, in the order of the registry.

    Raises:
        MnemoscopeError: a column has the name of another one of the table, a kind that a column
            cannot hold, or not one value for each example.
    """
    return {name: _values(column, subject) for name, column in COLUMNS.items()}


def with_columns(examples: pl.DataFrame, values: dict[str, list[Any]]) -> pl.DataFrame:
    """Adds the columns to the table of examples; one that was left out is null."""
    return examples.with_columns(
        pl.Series(name, values.get(name, [None] * examples.height), dtype=column.quantity.dtype)
        for name, column in COLUMNS.items()
    )


def column_records() -> list[dict[str, Any]]:
    """Returns what an audit records of the added columns: name, kind, label and unit."""
    fields = ("name", "kind", "label", "unit")
    return [
        {field: asdict(column.quantity)[field] for field in fields} for column in COLUMNS.values()
    ]


def _values(column: Column, subject: Subject) -> list[Any]:
    if column.name in EXAMPLES or column.quantity.kind not in KINDS:
        raise MnemoscopeError(
            f"the column {column.name!r} of the kind {column.quantity.kind!r}",
            expected=f"a name that is not in the table of examples, and a kind of {KINDS}",
            todo="rename it, or change its kind, in the package that declares it",
            field=column.name,
            choices=KINDS,
        )
    taken = column.take(subject)
    values = taken.detach().cpu().tolist() if isinstance(taken, Tensor) else list(taken)
    n = len(subject.X)
    if len(values) != n or (isinstance(taken, Tensor) and taken.shape != torch.Size([n])):
        shape = tuple(taken.shape) if isinstance(taken, Tensor) else f"{len(values)} values"
        raise MnemoscopeError(
            f"the column {column.name!r} with {shape} for {n} examples",
            expected="one value for each example",
            todo="correct `take` in the package that declares it",
            field=column.name,
        )
    return [None if value != value else value for value in values]
