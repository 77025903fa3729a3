"""What can be measured of the networks of a sweep: a file for each measurement.

A new one is a file with a `Measurement`, and a line in `MEASUREMENTS`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.importing import is_name
from mnemoscope.base.quantity import Quantity
from mnemoscope.dynamics import STARTS
from mnemoscope.sweep.configuration import Data, held_out
from mnemoscope.sweep.measure import Measure
from mnemoscope.sweep.measurements.audit import AUDIT, check_options
from mnemoscope.sweep.measurements.audit import QUANTITIES as AUDIT_QUANTITIES
from mnemoscope.sweep.measurements.columns import TABLE
from mnemoscope.sweep.measurements.contraction import CONTRACTION
from mnemoscope.sweep.measurements.generalization import GENERALIZATION
from mnemoscope.sweep.measurements.imported import (
    column_of,
    imported_measurement,
    source_digest,
)
from mnemoscope.sweep.measurements.measurement import Measurement, Trained
from mnemoscope.sweep.measurements.operator_norm import OPERATOR_NORM
from mnemoscope.sweep.measurements.outcomes import OUTCOMES
from mnemoscope.sweep.measurements.pictures import PICTURES
from mnemoscope.sweep.measurements.recall import RECALL
from mnemoscope.sweep.measurements.span import SPAN
from mnemoscope.sweep.measurements.stored import STORED

__all__ = [
    "MEASUREMENTS",
    "Measurement",
    "Trained",
    "check_measure",
    "code_of",
    "find_measurement",
    "quantities_of",
]

MEASUREMENTS: dict[str, Measurement] = {
    measurement.name: measurement
    for measurement in (
        STORED, CONTRACTION, OPERATOR_NORM, OUTCOMES, RECALL, GENERALIZATION, SPAN, AUDIT, PICTURES,
    )
}  # fmt: skip
"""All measurements by name."""

TAKEN = TABLE.union(*(measurement.columns for measurement in MEASUREMENTS.values()))
"""Columns that an imported function may not fill."""


def find_measurement(name: str) -> Measurement:
    """The measurement of this name, or the one that a function makes.

    Args:
        name: In `MEASUREMENTS`, or `package.module:function`.

    Raises:
        MnemoscopeError: there is none of this name, or the function will not do.
    """
    if name in MEASUREMENTS:
        return MEASUREMENTS[name]
    if is_name(name):
        return imported_measurement(name, TAKEN)
    raise MnemoscopeError(
        f"measure.take with {name!r}",
        expected=f"names among {', '.join(MEASUREMENTS)}, or package.module:function",
        todo=did_you_mean(name, list(MEASUREMENTS), otherwise="choose one of these"),
    )


_DECLARED = (
    Quantity("stored", "count", "stored training examples", total="n"),
    Quantity("contractive", "count", "training examples with a spectral radius below 1", total="n"),
    Quantity("spectral_radius", "number", "median spectral radius at the examples"),
    Quantity("spectral_radius_largest", "number", "largest spectral radius at the examples"),
    Quantity(
        "contractive_in_norm",
        "count",
        "training examples with an operator norm below 1",
        total="n",
    ),
    Quantity("operator_norm", "number", "median operator norm at the examples"),
    Quantity("operator_norm_largest", "number", "largest operator norm at the examples"),
    Quantity("starts", "count", "noise starts", needs_fit=False),
    Quantity(
        "at_examples",
        "count",
        "noise starts that end at a training example",
        total="starts",
        needs_fit=False,
    ),
    Quantity(
        "spurious",
        "count",
        "noise starts that end at a spurious attractor",
        total="starts",
        needs_fit=False,
    ),
    Quantity(
        "not_settled", "count", "noise starts that did not settle", total="starts", needs_fit=False
    ),
    Quantity(
        "examples_reached", "count", "training examples that a noise start ends at", total="n"
    ),
    Quantity("spurious_attractors", "count", "spurious attractors", needs_fit=False),
    Quantity("trials", "count", "noisy copies of training examples"),
    Quantity(
        "recalled", "count", "noisy copies of training examples that are recalled", total="trials"
    ),
    Quantity("held_out", "count", "held-out examples", needs_fit=False),
    Quantity(
        "generalized",
        "count",
        "held-out examples that are reconstructed",
        total="held_out",
        needs_fit=False,
    ),
    Quantity(
        "held_out_error", "number", "mean squared error on held-out examples", needs_fit=False
    ),
    Quantity(
        "projection_error",
        "number",
        "mean squared error of the projection on the span, on held-out examples",
        needs_fit=False,
    ),
    Quantity("held_out_variance", "number", "variance of held-out examples", needs_fit=False),
    Quantity(
        "span_distance",
        "number",
        "median distance (RMS) of outputs to the span of the examples",
        needs_fit=False,
    ),
    Quantity("picture", "image", "noise starts, and where their orbits end"),
    *(
        Quantity(
            name,
            "rate" if one.kind in ("rate", "share") else one.kind,
            f"{one.label.text if one.label else name.replace('_', ' ')} (audit)",
        )
        for name, one in AUDIT_QUANTITIES.items()
    ),
)


def quantities_of(
    columns: Iterable[str], noted: Iterable[Mapping[str, Any]] = ()
) -> tuple[Quantity, ...]:
    """Returns the quantities that the rows of a sweep hold besides its settings and outcomes.

    Args:
        columns: The columns of the rows. One that no measurement declares is a function's number;
            these come first.
        noted: The quantities in the note of the sweep; default: those that are declared here.
    """
    names = [name for name in columns if name not in TABLE and name != "widths"]
    declared = [Quantity.from_dict(values) for values in noted] or _DECLARED
    known = [quantity for quantity in declared if set(quantity.columns) <= set(names)]
    explained = {column for quantity in known for column in quantity.columns}
    others = [name for name in names if name not in explained]
    return (*(Quantity(name, "number", name.replace("_", " ")) for name in others), *known)


@lru_cache(maxsize=4096)
def check_measure(measure: Measure, data: Data) -> None:
    """Refuses what could not be measured, before anything is trained.

    Args:
        measure: What is to be measured.
        data: The examples of a run; `n` is told.

    Raises:
        MnemoscopeError: a name is unknown or told twice, a function will not do, a distribution of
            starts or an option of the audit is unknown, or there are no held-out examples to
            measure generalization at.
    """
    for name in measure.take:
        find_measurement(name)
    _refuse_repeated(measure)
    if measure.start_kind not in STARTS:
        raise MnemoscopeError(
            f"measure.start_kind={measure.start_kind!r}",
            expected=f"one of {', '.join(STARTS)}",
            todo=did_you_mean(measure.start_kind, list(STARTS), otherwise="choose one of these"),
        )
    if "generalization" in measure.take and not measure.held_out:
        raise MnemoscopeError(
            "measure.take with 'generalization' and measure.held_out=0",
            expected="examples that are not trained on",
            todo="set `measure.held_out` to how many",
        )
    held_out(data, measure)
    check_options(measure.audit, data)


def code_of(measure: Measure) -> str:
    """A digest of the source of the imported functions; empty if there are none.

    A function that is changed is another version of the code, so that runs measured by the old one
    are not taken for runs measured by the new one.

    Raises:
        MnemoscopeError: a function cannot be imported.
    """
    paths = sorted(name for name in measure.take if is_name(name))
    if not paths:
        return ""
    return hashlib.sha256("\n".join(map(source_digest, paths)).encode()).hexdigest()


def _refuse_repeated(measure: Measure) -> None:
    seen: dict[str, str] = {}
    for name in measure.take:
        # Two functions of one name, from two modules, would fill the same columns.
        own = f":{column_of(name)}" if is_name(name) else name
        if own in seen:
            raise MnemoscopeError(
                f"measure.take with {seen[own]!r} and {name!r}",
                expected="every measurement once, under a name of its own",
                todo="leave one of them out, or rename the function",
            )
        seen[own] = name
