"""What was measured and is no headline: numbers told by their means, and the less common shares."""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from mnemoscope.report.sweep.shares import (
    COUNTED,
    DIVERGED,
    INTERPOLATED,
    Share,
    measured_shares,
    part,
    rare_shares,
)

NUMBER_COLOUR = "#53a8a3"

TABLE = frozenset(
    {
        "key", "group", "code", "status", "kind", "shape", "activation", "output_activation",
        "bias", "init", "width", "widths", "depth", "channels", "kernel_size", "downsample",
        "levels", "source", "n", "offset", "size", "gray", "column", "split", "scale",
        "channels_last", "alpha",
        "optimizer", "lr", "schedule", "batch_size", "tol", "max_steps", "momentum",
        "weight_decay", "init_scale", "unit", "finish", "stop",
        "dtype", "seed", "loss", "steps", "seconds", "parameters", "configuration",
    }
)  # fmt: skip
"""The columns that are there whatever is measured."""

KNOWN = (
    "spectral_radius", "operator_norm", "span_distance", "held_out_error", "projection_error",
    "spurious_attractors", "spectral_radius_largest", "operator_norm_largest", "held_out_variance",
)  # fmt: skip
"""The library's numbers that are no share, in the order in which they are drawn."""

OF_EVERY_RUN = frozenset(
    {
        "span_distance", "held_out_error", "projection_error", "held_out_variance",
        "spurious_attractors",
    }
)  # fmt: skip
"""Those of them that tell of starts, of fresh inputs and of held-out examples."""

AUDIT = "audit_"


@dataclass(frozen=True)
class Number:
    """A number that each run has, told by its mean; null where the run does not count.

    Attributes:
        name: Of its column.
        value: Of a run, from the columns of the table.
        own: Whether a function of the user's own gave it.
    """

    name: str
    value: pl.Expr
    own: bool = False

    @property
    def title(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")

    @property
    def words(self) -> str:
        """What is told of it."""
        return f"the mean of {self.title}"

    @property
    def colour(self) -> str:
        """What it is drawn in."""
        return NUMBER_COLOUR


Quantity = Share | Number


def measured_quantities(schema: pl.Schema, factors: Collection[str]) -> dict[str, Quantity]:
    """All that was measured beside the headline shares, by name: the user's own first.

    Shares of training examples, numbers at them, and whatever is not known to need no fit, such as
    a function of the user's own, count the runs that interpolated alone. Numbers of starts, of
    fresh inputs and of held-out examples count every run that did not diverge.

    Args:
        schema: Of the table.
        factors: Columns that are varied.
    """
    apart = TABLE | COUNTED | set(factors)
    names = [n for n, dtype in schema.items()
             if n not in apart and (dtype.is_numeric() or dtype == pl.Boolean)]  # fmt: skip
    own = [Number(n, _value(n), own=True) for n in names
           if n not in KNOWN and not n.startswith(AUDIT)]  # fmt: skip
    known = [Number(n, _value(n)) for n in KNOWN if n in names]
    shares = list(rare_shares(schema).values())
    audited = _audited({n: schema[n] for n in names if n.startswith(AUDIT)})
    headline = measured_shares(schema)
    return {one.name: one for one in (*own, *known, *shares, *audited) if one.name not in headline}


def _value(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Float64)
    counts = ~DIVERGED if name in OF_EVERY_RUN else INTERPOLATED
    return pl.when(counts & number.is_finite()).then(number)


def _audited(columns: dict[str, pl.DataType]) -> list[Quantity]:
    """The numbers of audits; a count with its total is a share, and so is true or false."""
    found: list[Quantity] = []
    for name, dtype in columns.items():
        base, _, end = name.rpartition("_")
        if end in ("count", "total") and {f"{base}_count", f"{base}_total"} <= set(columns):
            if end == "count":
                found.append(_audited_share(base, part(name, f"{base}_total", INTERPOLATED)))
        elif dtype == pl.Boolean:
            value = pl.when(INTERPOLATED).then(pl.col(name).cast(pl.Float64))
            found.append(_audited_share(name, value))
        else:
            found.append(Number(name, _value(name)))
    return found


def _audited_share(name: str, value: pl.Expr) -> Share:
    words = name.replace("_", " ")
    return Share(name, f"{words}, of runs that interpolated", NUMBER_COLOUR, value, words)
