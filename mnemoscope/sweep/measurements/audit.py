"""All numbers of a whole audit's summary."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Share
from mnemoscope.base.text import short
from mnemoscope.data import corrupt
from mnemoscope.measure import AuditOptions, audit
from mnemoscope.results.quantities import quantities
from mnemoscope.results.summary import Summary
from mnemoscope.sweep.configuration import Data, examples
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

QUANTITIES = {
    f"audit_{quantity.name.replace('.', '_')}": quantity for quantity in quantities(Summary)
}
"""What an audit measures, by the name of its column."""

TYPES: dict[str, pl.DataType] = {
    "count": pl.Int64(),
    "number": pl.Float64(),
    "truth": pl.Boolean(),
}

PARTS = ("count", "total")
"""The columns of a rate; its interval follows from them."""

COLUMNS: dict[str, pl.DataType] = {
    column: kind
    for name, quantity in QUANTITIES.items()
    for column, kind in (
        [(name, TYPES[quantity.kind])]
        if quantity.kind in TYPES
        else [(f"{name}_{part}", pl.Int64()) for part in PARTS]
    )
}
"""What an audit adds to a row; null where it did not measure it."""

OPTIONS = tuple(AuditOptions().record())
"""The options of an audit that a design may set."""


def take(trained: Trained) -> dict[str, list]:
    """`mn.audit` of one network after the other, by the run's seed, with `measure.audit`.

    Held-out examples, if there are any, are held out of the audit too.
    """
    rows = [
        flattened(
            audit(
                net,
                trained.X[r],
                AuditOptions.of(**trained.measure.audit),
                seed=trained.seeds[r],
                held_out=None if trained.held_out is None else trained.held_out[r],
            ).summary
        )
        for r, net in enumerate(trained.replicas)
    ]
    return {column: [row.get(column) for row in rows] for column in COLUMNS}


def flattened(summary: Summary) -> dict[str, float | None]:
    """Returns the numbers of a summary by the names of their columns."""
    row: dict[str, float | None] = {}
    for name, quantity in QUANTITIES.items():
        value = quantity.value_in(summary)
        if isinstance(value, Share):
            row |= {f"{name}_{part}": getattr(value, part) for part in PARTS}
        else:
            row[name] = value
    return row


def check_options(options: Mapping[str, Any], data: Data) -> None:
    """Refuses options that `mn.audit` would refuse, before anything is trained.

    Args:
        options: `measure.audit`.
        data: The examples, which corruptions are tried on.

    Raises:
        MnemoscopeError: an option is unknown, or its value is of the wrong type or out of range.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            raise MnemoscopeError(
                f"measure.audit with {name!r}",
                expected=f"options of mn.audit: {', '.join(OPTIONS)}",
                todo=did_you_mean(name, OPTIONS, otherwise=f"leave out `{name}`"),
                field=f"measure.audit.{name}",
                choices=OPTIONS,
            )
        try:
            AuditOptions.of(**{name: value})
            if name == "corruptions":
                X, _ = examples(data)
                for kind, strengths in value.items():
                    for strength in strengths:
                        corrupt(X[:2], kind, strength)
        except (TypeError, ValueError, AttributeError) as error:
            known = error if isinstance(error, MnemoscopeError) else None
            raise MnemoscopeError(
                f"measure.audit with {name}={short(value)}",
                expected=known.expected if known else "a value that mn.audit takes",
                todo=f"change `measure.audit.{name}`",
                field=f"measure.audit.{name}",
            ) from error


AUDIT = Measurement("audit", COLUMNS, take)
"""A whole audit."""
