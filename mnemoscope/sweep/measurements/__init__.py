"""The measurements of the networks of a sweep: one file for each."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from mnemoscope.base.check import did_you_mean, one_of
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import is_name
from mnemoscope.base.quantity import Quantity
from mnemoscope.dynamics import STARTS
from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.configuration import Data, Measure, held_out
from mnemoscope.sweep.measurements.audit import check_options
from mnemoscope.sweep.measurements.imported import (
    column_of,
    imported_measurement,
    module_digest,
    source_digest,
)
from mnemoscope.sweep.measurements.measurement import MEASUREMENTS, Measurement, Trained

__all__ = [
    "MEASUREMENTS",
    "Measurement",
    "Trained",
    "check_measure",
    "code_of",
    "find_measurement",
    "quantities_of",
]


def find_measurement(name: str) -> Measurement:
    """Returns the measurement of this name, or the one that `package.module:function` makes."""
    if name in MEASUREMENTS:
        return MEASUREMENTS[name]
    if is_name(name):
        taken = ALWAYS.keys() | {column for one in MEASUREMENTS.values() for column in one.columns}
        return imported_measurement(name, frozenset(taken))
    raise MnemoscopeError(
        f"take with {name!r}",
        expected=f"names among {', '.join(MEASUREMENTS)}, or package.module:function",
        todo=did_you_mean(name, list(MEASUREMENTS), otherwise="choose one of these"),
        field="take",
        choices=MEASUREMENTS,
    )


def quantities_of(
    columns: Iterable[str], noted: Iterable[Mapping[str, Any]] = ()
) -> tuple[Quantity, ...]:
    """Returns the quantities that the rows of a sweep hold besides its settings and outcomes.

    Args:
        columns: The columns of the rows. One that no measurement declares is a function's number;
            these come first.
        noted: The quantities in the note of the sweep, of measurements that may not be installed
            here; default: those of the measurements that are.
    """
    names = [name for name in columns if name not in ALWAYS]
    declared = [Quantity(**values) for values in noted] or [
        quantity for one in MEASUREMENTS.values() for quantity in one.quantities
    ]
    known = [quantity for quantity in declared if set(quantity.columns) <= set(names)]
    explained = {column for quantity in known for column in quantity.columns}
    others = [name for name in names if name not in explained]
    return (*(Quantity(name, "number", name.replace("_", " ")) for name in others), *known)


@lru_cache(maxsize=4096)
def check_measure(measure: Measure, data: Data) -> None:
    """Refuses what could not be measured, before anything is trained."""
    for name in measure.take:
        find_measurement(name)
    _refuse_repeated(measure)
    one_of("start_kind", measure.start_kind, STARTS)
    if "generalization" in measure.take and not measure.held_out:
        raise MnemoscopeError(
            "take with 'generalization' and held_out=0",
            expected="examples that are not trained on",
            todo="set `measure.held_out` to their number",
            field="held_out",
        )
    held_out(data, measure)
    check_options(measure.audit, data)


def code_of(measure: Measure) -> str:
    """Computes a digest of the code outside of this package that measures; empty if there is none.

    A function that is changed is another version of the code, so that runs measured by the old one
    are not taken for runs measured by the new one.
    """
    digests = []
    for name in sorted(measure.take):
        if is_name(name):
            digests.append(source_digest(name))
        elif not (module := find_measurement(name).take.__module__).startswith("mnemoscope."):
            digests.append(module_digest(module))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else ""


def _refuse_repeated(measure: Measure) -> None:
    seen: dict[str, str] = {}
    for name in measure.take:
        # Two functions of one name, from two modules, would fill the same columns.
        own = f":{column_of(name)}" if is_name(name) else name
        if own in seen:
            raise MnemoscopeError(
                f"take with {seen[own]!r} and {name!r}",
                expected="every measurement once, under a name of its own",
                todo="leave one of them out, or rename the function",
                field="take",
            )
        seen[own] = name
