"""All numbers of a whole audit's summary."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from mnemoscope.base.check import did_you_mean, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short
from mnemoscope.data import corrupt
from mnemoscope.dynamics import Starts
from mnemoscope.measure import audit
from mnemoscope.measure.controls import MEASUREMENTS
from mnemoscope.results.tables import SCORES
from mnemoscope.sweep.configuration import Data, examples
from mnemoscope.sweep.measurements.measurement import Measurement, Trained

CONTROLS = ("trained", "untrained", "held_out")
"""What an audit holds its measurements against; the first is the network at its own examples."""

RATES = (
    "stored", "disclosed", "contractive", "contractive_in_norm", "recalled", "reached_from_noise",
    "unsettled", "left_domain", "certified",
    *(f"controls_{on}_{rate}" for on in CONTROLS for rate in MEASUREMENTS),
)  # fmt: skip
"""Entries of the summary with a count and a total."""

COUNTS = (
    "examples", "indistinguishable", "undecided", "reached_from_noise_starts", "attractors",
    "spurious", "cycles", "nearest_spurious_attractor", "nearest_spurious_example",
    "span_distance_inputs", "effective_rank_examples_count",
    "effective_rank_outputs_count", "membership_members", "membership_held_out",
    "membership_overlap",
    *(
        f"controls_{on}_{count}"
        for on in CONTROLS
        for count in ("attractors", "fixed_points", "starts")
    ),
)  # fmt: skip
"""Those that are counted, and indices."""

TRUTHS = (
    "interpolated", "black_box", "membership_resolvable_tpr_1", "membership_resolvable_tpr_01",
    "membership_two_sample_differs",
)  # fmt: skip
"""Those that are true or false."""

NUMBERS = (
    "loss", "training_loss", "span_distance_median", "effective_rank_examples",
    "effective_rank_outputs", "effective_rank_threshold", "match_tol", "tol", "unit", "seconds",
    "resolution_spacing", "resolution_entry", "resolution_length", "domain_low", "domain_high",
    "nearest_spurious_distance",
    *(f"membership_two_sample_{name}" for name in ("accuracy", "low", "high", "chance", "p_value")),
    *(
        f"membership_scores_{score}_{value}{end}"
        for score in SCORES
        for value in ("auc", "gain", "tpr_1", "tpr_01")
        for end in ("", "_low", "_high")
    ),
)  # fmt: skip
"""All others; intervals of rates follow from their counts."""

COLUMNS: dict[str, pl.DataType] = {
    **{f"audit_{name}_{part}": pl.Int64() for name in RATES for part in ("count", "total")},
    **{f"audit_{name}": pl.Int64() for name in COUNTS},
    **{f"audit_{name}": pl.Boolean() for name in TRUTHS},
    **{f"audit_{name}": pl.Float64() for name in NUMBERS},
}
"""What an audit adds to a row; null where it did not measure it."""

OWN = {"f", "X", "seed", "held_out", "name", "source", "command", "on_progress"}
"""Arguments of `mn.audit` that a design does not set: the sweep does, or they change no number."""

OPTIONS = tuple(name for name in inspect.signature(audit).parameters if name not in OWN)
"""Those that it may."""

WHOLE = {
    "starts": 1, "trials": 1, "max_steps": 1, "spectrum_size": 1, "max_products": 1,
    "batch_size": 1, "certificates": 0,
}  # fmt: skip
"""Options that are whole numbers, and the least of each."""


def take(trained: Trained) -> dict[str, list]:
    """`mn.audit` of one network after the other, by the run's seed, with `measure.audit`.

    Held-out examples, if there are any, are held out of the audit too.
    """
    rows = [
        flattened(
            audit(
                net,
                trained.X[r],
                seed=trained.seeds[r],
                held_out=None if trained.held_out is None else trained.held_out[r],
                **trained.measure.audit,
            ).summary
        )
        for r, net in enumerate(trained.replicas)
    ]
    return {column: [row.get(column) for row in rows] for column in COLUMNS}


def flattened(summary: Mapping[str, Any], prefix: str = "audit") -> dict[str, float | None]:
    """The numbers and truth values of a summary, by the path to each; texts and lists left out."""
    found: dict[str, float | None] = {}
    for key, value in summary.items():
        name = f"{prefix}_{key}"
        if isinstance(value, Mapping):
            found |= flattened(value, name)
        elif isinstance(value, bool | int | float):
            found[name] = value
    return found


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
                todo=did_you_mean(name, list(OPTIONS), otherwise=f"leave out `{name}`"),
            )
        try:
            _check(name, value, data)
        except (TypeError, ValueError) as error:
            # A MnemoscopeError is a ValueError; what the option expects is told by each.
            told = error if isinstance(error, MnemoscopeError) else None
            raise MnemoscopeError(
                f"measure.audit with {name}={short(value)}",
                expected=told.expected if told else "a value that mn.audit takes",
                todo=f"change `measure.audit.{name}`",
            ) from error


def _check(name: str, value: Any, data: Data) -> None:
    if name in WHOLE:
        whole_number(name, value, least=WHOLE[name])
    elif name == "start_kinds":
        for kind in _listed(value, "a list of names of distributions of starts"):
            Starts(kind, 1)
    elif name == "corruptions":
        if not isinstance(value, Mapping):
            raise _wrong(value, "the strengths to try, a list for each corruption")
        X, _ = examples(data)
        for kind, strengths in value.items():
            for strength in _listed(strengths, "a list of strengths for each corruption"):
                corrupt(X[:2], kind, strength)
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(value, "a number above 0")


def _listed(value: Any, expected: str) -> list | tuple:
    if not isinstance(value, list | tuple):
        raise _wrong(value, expected)
    return value


def _wrong(value: Any, expected: str) -> MnemoscopeError:
    return MnemoscopeError(short(value), expected=expected, todo="change it")


AUDIT = Measurement("audit", COLUMNS, take)
"""A whole audit."""
