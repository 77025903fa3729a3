"""Counts as rates in tables: each with its total and its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mnemoscope.base.stats import wilson
from mnemoscope.claims.design import IN_REGIME
from mnemoscope.plots import Axis, Figure


@dataclass(frozen=True)
class Counted:
    """Something that is counted in every network.

    Attributes:
        count: Column of counts.
        total: Column of totals.
        colour: Name in `mnemoscope.plots.theme.COLOURS` (default: one of the categories').
    """

    count: str
    total: str
    colour: str | None = None


def with_rate(frame: pl.DataFrame, count: str, total: str, name: str) -> pl.DataFrame:
    """Adds the columns `name`, `name_low` and `name_high`: a rate and its 95% Wilson interval.

    The interval is that of one network: what is counted, such as starts, is independent given the
    network. Where the total is 0, or it or the count is null, so is the rate.

    Example:
        >>> counted = pl.DataFrame({"hits": [10], "of": [10]})
        >>> rated = with_rate(counted, "hits", "of", "rate")
        >>> tuple(round(value, 4) for value in rated.row(0)[2:])
        (1.0, 0.7225, 1.0)
    """
    return _rated(frame, count, total, total, name)


def pooled(
    frame: pl.DataFrame, by: Sequence[str], count: str, total: str, name: str
) -> pl.DataFrame:
    """Computes the rate over all rows of each group, its interval, and the number of rows, `runs`.

    Each row, a network, is one observation between 0 and 1: the interval is Wilson's of the rate
    with as many trials as there are networks. Starts, or examples, of one network are not
    independent of each other, so they are not counted one by one. It is conservative: the variance
    of a number in [0, 1] with mean `p` is at most `p(1 - p)`, that of a yes or no.

    Args:
        frame: A row for each network.
        by: The columns that make a group; groups come in the order of their first rows.
        count: Column of counts.
        total: Column of totals.
        name: Name of the rate.

    Example:
        >>> two = pl.DataFrame({"depth": [2, 2], "hits": [500, 1000], "of": [1000, 1000]})
        >>> rated = pooled(two, ["depth"], "hits", "of", "rate")
        >>> [round(rated[column][0], 2) for column in ("rate", "rate_low", "rate_high")]
        [0.75, 0.2, 0.97]
    """
    sums = frame.group_by(*by, maintain_order=True).agg(
        pl.col(count).sum(), pl.col(total).sum(), pl.len().cast(pl.Int64).alias("runs")
    )
    return _rated(sums, count, total, "runs", name)


def shares(frame: pl.DataFrame, by: Sequence[str], kinds: Mapping[str, Counted]) -> pl.DataFrame:
    """Pools several rates into one long table.

    Args:
        frame: A row for each network.
        by: The columns that make a group.
        kinds: What is counted, by its name.

    Returns:
        `by`, `count, total, runs, share, share_low, share_high`, and `what`, a key of `kinds`.
    """
    return pl.concat(
        pooled(
            frame.select(*by, count=pl.col(kind.count), total=pl.col(kind.total)),
            by,
            "count",
            "total",
            "share",
        ).with_columns(what=pl.lit(what))
        for what, kind in kinds.items()
    )


def listed(frame: pl.DataFrame, by: Sequence[str], kinds: Mapping[str, Counted]) -> str:
    """Lists pooled rates in words, by group.

    Example:
        >>> two = pl.DataFrame({"depth": [2, 2], "hits": [5, 10], "of": [10, 10]})
        >>> listed(two, ["depth"], {"at a target": Counted("hits", "of")})
        'depth = 2: at a target 75% (15 of 20)'
    """
    groups = []
    for values, rates in shares(frame, by, kinds).group_by(by, maintain_order=True):
        names = (
            value if isinstance(value, str) else f"{column} = {value}"
            for column, value in zip(by, values, strict=True)
        )
        counts = (
            f"{row['what']} {row['share']:.0%} ({row['count']:,} of {row['total']:,})"
            for row in rates.drop_nulls("share").iter_rows(named=True)
        )
        groups.append(f"{', '.join(names)}: {', '.join(counts)}")
    return "; ".join(groups)


def rates_figure(
    frame: pl.DataFrame,
    kinds: Mapping[str, Counted],
    x: Axis,
    title: str,
    panels: Mapping[str, str],
    **options: Any,
) -> Figure:
    """Describes pooled rates against a factor: lines with 95% intervals, a colour for each rate.

    Args:
        frame: A row for each network.
        kinds: What is counted, by its name.
        x: The factor.
        title: Title of the vertical axis.
        panels: The columns that make panels, by the field of a `Figure`: `facet`, `row`, `column`;
            or lines, `detail`.
        **options: Further fields of the figure.
    """
    colours = {what: kind.colour for what, kind in kinds.items() if kind.colour}
    by = [*dict.fromkeys([x.column, *panels.values()])]
    fields: dict[str, Any] = {"by": "what", "colours": colours, **panels, **options}
    return Figure(
        shares(frame, by, kinds),
        x,
        Axis("share", title, "share"),
        line="values",
        interval=True,
        **fields,
    )


def phase_diagram(
    frame: pl.DataFrame, kind: Counted, x: Axis, y: Axis, title: str, facet: str | None = None
) -> Figure:
    """Describes a rate over two factors: a cell for each pair, the regime with an outline.

    Numbers come in their order, other categories in that of their first rows.

    Args:
        frame: A row for each network, with the column `in_regime`.
        kind: What is counted.
        x: The factor along the horizontal axis.
        y: The factor along the vertical axis.
        title: What the share is, in words.
        facet: Column with a panel for each value.
    """
    x, y = _in_order(frame, x), _in_order(frame, y)
    by = [column for column in (facet, y.column, x.column) if column]
    inside = frame.group_by(by, maintain_order=True).agg(pl.col(IN_REGIME).all())
    rates = shares(frame, by, {title: kind}).drop_nulls("share")
    return Figure(
        rates.join(inside, on=by, nulls_equal=True, maintain_order="left"),
        x,
        y,
        cells=Axis("share", title, "share"),
        outline=IN_REGIME,
        facet=facet,
        width=46 * frame[x.column].n_unique(),
        height=28 * frame[y.column].n_unique(),
    )


def _in_order(frame: pl.DataFrame, axis: Axis) -> Axis:
    """Returns an axis of categories whose numbers come in their order."""
    if not frame.schema[axis.column].is_numeric():
        return axis
    return replace(axis, ticks=tuple(frame[axis.column].drop_nulls().unique().sort()))


def _rated(frame: pl.DataFrame, count: str, total: str, trials: str, name: str) -> pl.DataFrame:
    rate = pl.col(count) / pl.col(total)
    known = frame.select(
        rate=pl.when(rate.is_finite()).then(rate),
        trials=pl.col(trials).cast(pl.Float64).fill_null(0),
    )
    counts = (known["rate"] * known["trials"]).fill_null(0)
    low, high = wilson(counts.to_torch(), known["trials"].to_torch())
    return frame.with_columns(
        pl.when(known["rate"].is_not_null()).then(pl.Series(values)).alias(f"{name}{end}")
        for end, values in (("", known["rate"]), ("_low", low.numpy()), ("_high", high.numpy()))
    )
