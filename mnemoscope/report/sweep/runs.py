"""The runs of a sweep: a level of each factor and a value of each quantity, and their means."""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import torch
from PIL import Image
from scipy import special

from mnemoscope.base.quantity import Quantity
from mnemoscope.base.stats import wilson
from mnemoscope.plots.theme import COLOURS
from mnemoscope.report.pictures import Picture, spread
from mnemoscope.report.sweep.factors import Axis, Factor, leading_first, read_factors

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

FIXED = {"key": pl.String, "status": pl.String, "seed": pl.Int64}
"""The columns that every run has; a table without runs may lack them."""

MAX_LEADING = 3

ENOUGH = 0.8
"""A mark of a smaller part of its runs is drawn differently, since it shows the survivors."""

MAX_RUNS = 500
"""Settings that the page lists a run of."""

MAX_PICTURES = 24
"""Pictures on a page."""

ANYWHERE = "#runs"
"""The link of a mark whose runs are not listed."""


@dataclass(frozen=True)
class Runs:
    """The runs of a sweep, and what varies."""

    # The table, with the columns of `FIXED`.
    rows: pl.LazyFrame
    # `key, status, seed`, a level for each factor, a value for each quantity.
    frame: pl.DataFrame
    # A factor for each column that varies; those that are drawn; the first that are crossed.
    columns: tuple[Factor, ...]
    factors: tuple[Factor, ...]
    leading: tuple[Factor, ...]
    # Factors with one level, and columns of the design that the table lacks.
    constant: tuple[Factor, ...]
    missing: tuple[str, ...]
    # In the order in which they are drawn.
    quantities: tuple[Quantity, ...]
    # The runs that marks lead to, as `representatives` returns them; None for no links.
    chosen: pl.DataFrame | None = None
    _grouped: dict[tuple[str, ...], pl.DataFrame] = field(default_factory=dict, repr=False)

    @property
    def shares(self) -> list[Quantity]:
        """The quantities that are shares."""
        return [one for one in self.quantities if is_share(one)]

    def named(self, *names: str) -> list[Quantity]:
        """Returns those of the named quantities that were measured, in this order."""
        found = {one.name: one for one in self.quantities}
        return [found[name] for name in names if name in found]

    def by(self, *factors: Factor) -> pl.DataFrame:
        """Counts `all_runs`, those `lost` (not interpolated), and those that `diverged`, by levels.

        Each quantity has the columns `runs:`, `mean:` and `deviation:`.
        """
        keys = tuple(factor.key for factor in factors)
        if keys not in self._grouped:
            names = [one.name for one in self.quantities]
            counts = (
                pl.len().alias("all_runs"),
                (~INTERPOLATED).sum().alias("lost"),
                DIVERGED.sum().alias("diverged"),
                pl.col(names).count().name.prefix("runs:"),
                pl.col(names).mean().name.prefix("mean:"),
                pl.col(names).std().name.prefix("deviation:"),
            )
            grouped = (
                self.frame.group_by(keys).agg(counts).sort(keys)
                if keys
                else self.frame.select(counts)
            )
            self._grouped[keys] = grouped if self.chosen is None else self._linked(grouped, keys)
        return self._grouped[keys]

    def _linked(self, grouped: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        """Returns each group with a link to the listed run that is nearest to its stored share."""
        assert self.chosen is not None
        if not keys:
            return grouped
        rates = pl.col("mean:stored") if "mean:stored" in grouped.columns else pl.lit(None)
        nearest = (
            self.chosen.join(grouped.select(*keys, rate=rates.cast(pl.Float64)), on=keys)
            .with_columns(distance=(pl.col("share") - pl.col("rate")).abs())
            .sort("distance", "key", nulls_last=True)
            .unique(keys, keep="first", maintain_order=True)
            .select(*keys, href="#run-" + pl.col("key"))
        )
        linked = grouped.join(nearest, on=keys, how="left", maintain_order="left")
        return linked.with_columns(pl.col("href").fill_null(ANYWHERE))


def read_runs(rows: pl.LazyFrame, axes: Sequence[Axis], quantities: Sequence[Quantity]) -> Runs:
    """Reads the levels and the values of all runs; the quantities keep their order."""
    columns = rows.collect_schema().names()
    lacking = [
        pl.lit(None, dtype).alias(name) for name, dtype in FIXED.items() if name not in columns
    ]
    # A literal without any other column would be a row.
    rows = rows.with_columns(lacking) if columns else pl.LazyFrame(schema=FIXED)
    single, drawn = read_factors(rows, axes)
    known = measured(quantities, columns)
    leading, factors = leading_first((f for f in drawn if len(f.labels) > 1), MAX_LEADING)
    single.sort(key=lambda factor: not factor.has_axis)
    listed = {factor.key: factor for factor in (*single, *factors)}
    frame = rows.select(
        *FIXED,
        *(factor.level.cast(pl.Int16).alias(key) for key, factor in listed.items()),
        *(value(one).alias(one.name) for one in known),
    ).collect()
    return Runs(
        rows=rows,
        frame=frame,
        columns=tuple(factor for factor in single if len(factor.labels) > 1),
        factors=tuple(factors),
        leading=tuple(leading),
        constant=tuple(factor for factor in single if len(factor.labels) == 1),
        missing=tuple(
            dict.fromkeys(name for axis in axes for name in axis.columns if name not in columns)
        ),
        quantities=tuple(known),
    )


def with_links(runs: Runs) -> Runs:
    """Returns the runs such that each mark leads to one that is listed."""
    return replace(runs, chosen=representatives(runs), _grouped={})


def representatives(runs: Runs) -> pl.DataFrame:
    """Picks a run for each setting: that with the median stored share, then of the lowest seed.

    Of more than `MAX_RUNS` settings, those are taken whose least key comes first: a choice as good
    as random, and always the same.
    """
    names = [factor.key for factor in runs.columns]
    stored = pl.col("stored") if runs.named("stored") else pl.lit(None, pl.Float64)
    frame = runs.frame.with_columns(share=stored, setting=pl.struct(names) if names else pl.lit(0))
    chosen = frame.group_by("setting").agg(pl.col("key").min()).sort("key").head(MAX_RUNS)
    typical = pl.col("share").quantile(0.5, "lower").over("setting")
    return (
        frame.join(chosen.select("setting"), on="setting", how="semi")
        .filter(pl.col("share").eq_missing(typical))
        .sort(*names, "seed", "key")
        .unique(["setting"], keep="first", maintain_order=True)
        .select("key", "seed", "share", pl.col("^level:.*$"))
    )


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


def marks_of(runs: Runs, quantity: Quantity, placed: Mapping[str, Factor]) -> pl.DataFrame:
    """Estimates a quantity for each combination of levels, as the marks of a chart.

    A mark has the label and the position (`<channel>_at`) of each channel's level, `rate, low,
    high, runs` (that count), `all_runs`, `lost`, `few`, and `href` if there are links.
    """
    counts = estimated(runs.by(*placed.values()), quantity)
    links = ["href"] * ("href" in counts.columns)
    return labelled(counts, placed).select(
        *placed,
        *(f"{channel}_at" for channel in placed),
        "rate",
        "low",
        "high",
        "runs",
        "all_runs",
        "lost",
        few_of(pl.col("runs"), pl.col("all_runs")).alias("few"),
        *links,
    )


def few_of(runs: pl.Expr, all_runs: pl.Expr) -> pl.Expr:
    """Returns true where less than `ENOUGH` of the runs count, null otherwise."""
    return pl.when(runs < ENOUGH * all_runs).then(True)


def labelled(counts: pl.DataFrame, placed: Mapping[str, Factor]) -> pl.DataFrame:
    """Adds the label, and the position, of each channel's level."""
    return counts.with_columns(
        *(factor.label(counts[factor.key]).alias(name) for name, factor in placed.items()),
        *(
            factor.position(counts[factor.key]).alias(f"{name}_at")
            for name, factor in placed.items()
        ),
    )


def pictured_runs(runs: Runs) -> tuple[list[dict[str, Any]], int]:
    """Selects runs with a picture, at most `MAX_PICTURES`, from settings spread in their order.

    Returns:
        `key`, `seed`, `status`, the label of each column that varies under its name, and the
        `picture`, None if it is not a PNG; and the number of settings that have one.
    """
    names = [factor.key for factor in runs.columns]
    if "picture" not in runs.rows.collect_schema().names():
        return [], 0
    pictures = runs.rows.filter(pl.col("picture").is_not_null()).select("key", "picture")
    pictured = (
        runs.frame.join(pictures.select("key").collect(), on="key", how="semi")
        .sort(*names, "seed", "key")
        .unique(names or None, keep="first", maintain_order=True)
    )
    chosen = pictured[spread(pictured.height, MAX_PICTURES)]
    found = pictures.filter(pl.col("key").is_in(chosen["key"].to_list())).collect()
    images = {key: _picture(png) for key, png in found.iter_rows()}
    named = labelled(chosen, {factor.name: factor for factor in runs.columns})
    columns = ["key", "seed", "status", *(factor.name for factor in runs.columns)]
    rows = named.select(columns).to_dicts()
    return [{**row, "picture": images[row["key"]]} for row in rows], pictured.height


def _picture(png: bytes) -> Picture | None:
    """Returns the PNG unchanged; None if it is not one."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            return Picture.of(png, image)
    except OSError:
        return None
