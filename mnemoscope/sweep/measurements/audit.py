"""All numbers of a whole audit's summary."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import Share
from mnemoscope.base.text import short
from mnemoscope.data import corrupt
from mnemoscope.measure import AuditOptions, audit
from mnemoscope.results.summary import Summary, quantities, value_in
from mnemoscope.sweep.configuration import Data, examples
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

PATHS = {f"audit_{one.name.replace('.', '_')}": one for one in quantities(Summary)}
"""The fields of a summary, by the name of their quantity in a row."""

QUANTITIES = tuple(
    replace(one, name=name, label=f"{one.label or one.name.replace('_', ' ')} (audit)")
    for name, one in PATHS.items()
)
"""The quantities of an audit in a row; null where it did not measure them."""

OPTIONS = tuple(AuditOptions().record())
"""The options of an audit that a design may set."""


def take(trained: Trained) -> dict[str, list]:
    """Audits one network after the other, by the run's seed, with the options `measure.audit`.

    Held-out examples, if there are any, are held-out examples of the audit, too.
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
    return {column: [row.get(column) for row in rows] for column in MEASUREMENT.columns}


def flattened(summary: Summary) -> dict[str, float | None]:
    """Returns the numbers of a summary by the names of their columns."""
    row: dict[str, float | None] = {}
    for quantity in QUANTITIES:
        value = value_in(summary, PATHS[quantity.name].name)
        if isinstance(value, Share):
            row |= dict(zip(quantity.columns, (value.count, value.total), strict=True))
        else:
            row[quantity.name] = value
    return row


def check_options(options: Mapping[str, Any], data: Data) -> None:
    """Refuses options that `mn.audit` would refuse; corruptions are tried on the examples."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise MnemoscopeError(
                f"audit with {name!r}",
                expected=f"options of mn.audit: {', '.join(OPTIONS)}",
                todo=did_you_mean(name, OPTIONS, otherwise=f"leave out `{name}`"),
                field=f"audit.{name}",
                choices=OPTIONS,
            )
        try:
            AuditOptions.of(**{name: value})
            if name == "corruptions":
                X, _ = examples(data)
                tried: Mapping[str, Any] = value
                for kind, strengths in tried.items():
                    for strength in strengths:
                        corrupt(X[:2], kind, strength)
        except (TypeError, ValueError, AttributeError) as error:
            known = error if isinstance(error, MnemoscopeError) else None
            raise MnemoscopeError(
                f"audit with {name}={short(value)}",
                expected=known.expected if known else "a value that mn.audit takes",
                todo=f"change `measure.audit.{name}`",
                field=f"audit.{name}",
            ) from error


MEASUREMENT = Measurement("audit", QUANTITIES, take)
