"""Measured quantities: the value of a run, and what the runs say about their mean."""

from collections.abc import Collection, Sequence

import polars as pl
import torch
from scipy import special

from mnemoscope.base.quantity import Quantity
from mnemoscope.base.stats import wilson
from mnemoscope.plots.theme import COLOURS

RUN_INTERPOLATED = Quantity("interpolated", "truth", "runs that interpolated", needs_fit=False)
"""Whether a run interpolated, which every table shows by its status."""

HEADLINES = ("stored", "spurious", "generalized", "contractive", "recalled", "interpolated")
"""The shares that the page begins with, the first of them that was measured leading."""

OUTCOMES = HEADLINES[:3]
"""The shares of the map of what happens, in the order in which ties are resolved."""

_COLOURS = {
    "stored": COLOURS["stored"],
    "at_examples": COLOURS["stored"],
    "examples_reached": COLOURS["stored"],
    "spurious": COLOURS["spurious"],
    "contractive": COLOURS["cycle"],
    "contractive_in_norm": COLOURS["cycle"],
    "recalled": "#2a6f73",
    "not_settled": COLOURS["unsettled"],
    "interpolated": COLOURS["not_stored"],
}

INTERPOLATED = pl.col("status") == "interpolated"
DIVERGED = pl.col("status") == "diverged"


def measured(quantities: Sequence[Quantity], columns: Collection[str]) -> list[Quantity]:
    """Selects the quantities that a table with these columns has numbers of, headlines first.

    Totals that only other quantities are shares of are left out.
    """
    totals = {one.total for one in quantities}
    found = {
        one.name: one
        for one in quantities
        if one.kind not in ("text", "image")
        and one.name not in totals
        and set(one.share or one.columns) <= set(columns)
    }
    found[RUN_INTERPOLATED.name] = RUN_INTERPOLATED
    names = dict.fromkeys((*(name for name in HEADLINES if name in found), *found))
    return [found[name] for name in names]


def is_share(quantity: Quantity) -> bool:
    """Returns whether each run has a number in [0, 1]."""
    return quantity.share is not None or quantity.kind == "truth"


def value(quantity: Quantity) -> pl.Expr:
    """Returns a run's value, or null where the run does not count.

    Quantities that concern the training examples count where these are interpolated: what was
    never fitted cannot be forgotten. The others count where training did not diverge.
    """
    if quantity is RUN_INTERPOLATED:
        return INTERPOLATED.cast(pl.Float64)
    counts = INTERPOLATED if quantity.needs_fit else ~DIVERGED
    if quantity.share is None:
        number = pl.col(quantity.name).cast(pl.Float64)
        return pl.when(counts & number.is_finite()).then(number)
    count, total = map(pl.col, quantity.share)
    part = pl.when(counts & (total > 0)).then(count.cast(pl.Float64) / total)
    return part.fill_nan(None).clip(0, 1)


def title(quantity: Quantity) -> str:
    """Returns the short name, as on the axis of a chart."""
    words = quantity.name.replace("_", " ")
    return f"{words} share" if is_share(quantity) else words


def words(quantity: Quantity) -> str:
    """Returns the label, with the runs that count for a share."""
    runs = ", of runs that interpolated" if is_share(quantity) and quantity.needs_fit else ""
    return quantity.label + runs


def colour(quantity: Quantity) -> str:
    """Returns the color that it is drawn in."""
    return _COLOURS.get(quantity.name, "#53a8a3")


def estimated(counts: pl.DataFrame, quantity: Quantity) -> pl.DataFrame:
    """Adds the mean `rate` of a quantity, its 95% interval `low` to `high`, and `runs`.

    Each run is one observation. For a number with mean `m` and standard deviation `s` over `N`
    runs, the interval is Student's, `m ± t s/√N`, where `t` is the 0.975 quantile with `N − 1`
    degrees of freedom. One run has no interval. For a share it is Wilson's, with the sum of the
    runs' shares as the count and `N` as the total: the examples of one network are not independent,
    so they are not counted one by one. It is conservative, since the variance of a number in [0, 1]
    with mean `p` is at most `p(1 − p)`.

    Args:
        counts: With `runs:`, `mean:` and `deviation:` of the quantity, null where no run counts.
        quantity: The quantity.
    """
    mean, runs = counts[f"mean:{quantity.name}"], counts[f"runs:{quantity.name}"]
    if is_share(quantity):
        total = torch.tensor(runs.to_list(), dtype=torch.float64)
        mass = torch.tensor(mean.fill_null(0).to_list(), dtype=torch.float64) * total
        low, high = (pl.Series(end.numpy()) for end in wilson(mass, total))
        least = 1
    else:
        several = runs.cast(pl.Float64).clip(lower_bound=2)
        t = pl.Series(special.stdtrit(several.to_numpy() - 1, 0.975), dtype=pl.Float64)
        half = t * counts[f"deviation:{quantity.name}"] / several.sqrt()
        low, high, least = mean - half, mean + half, 2
    ends = {"low": low, "high": high}
    known = counts.with_columns(rate=mean, runs=runs, **ends)
    return known.with_columns(
        pl.when(pl.col("rate").is_finite()).then("rate").alias("rate"),
        *(
            pl.when(pl.col(end).is_finite() & (pl.col("runs") >= least)).then(end).alias(end)
            for end in ends
        ),
    )
