"""The runs of a sweep: a level of each factor and a value of each quantity, and their means."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from PIL import Image

from mnemoscope.base.quantity import Quantity
from mnemoscope.report.pictures import Picture, spread
from mnemoscope.report.sweep.factors import Axis, Factor, leading_first, read_factors
from mnemoscope.report.sweep.quantities import (
    DIVERGED,
    INTERPOLATED,
    estimated,
    is_share,
    measured,
    value,
)

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
    """The runs of a sweep, and what varies.

    Attributes:
        rows: The table, with the columns of `FIXED`.
        frame: `key, status, seed`, a level for each factor, a value for each quantity.
        columns: A factor for each column that varies.
        factors: Those that are drawn, the leading ones first.
        leading: The first, at most three, that are crossed with each other.
        constant: Factors with one level.
        missing: Columns of the design that the table lacks.
        quantities: What was measured, in the order in which it is drawn.
        chosen: The runs that marks lead to, as `representatives` returns them; None for no links.
    """

    rows: pl.LazyFrame
    frame: pl.DataFrame
    columns: tuple[Factor, ...]
    factors: tuple[Factor, ...]
    leading: tuple[Factor, ...]
    constant: tuple[Factor, ...]
    missing: tuple[str, ...]
    quantities: tuple[Quantity, ...]
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
            width, height = image.size
    except OSError:
        return None
    encoded = base64.b64encode(png).decode("ascii")
    return Picture(f"data:image/png;base64,{encoded}", width, height)
