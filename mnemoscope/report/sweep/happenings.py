"""The map of what happens: whether networks store, invent or generalize, and where."""

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.theme import COLOURS, theme
from mnemoscope.report.pictures import spread
from mnemoscope.report.sweep.curves import share_curves
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.heat import cell_layers, cells, share_map, stars
from mnemoscope.report.sweep.marks import (
    ANYWHERE,
    STAR,
    across,
    few_of,
    inline,
    key_of_few,
    labelled,
    linked,
    upwards,
)
from mnemoscope.report.sweep.shares import HAPPENINGS, Share, leading_share
from mnemoscope.report.sweep.tables import SweepTables, rated

NONE = "none of them"
HALF = 0.5
MOST_PANELS = 12
TOLD = ("rate", "low", "high", "runs")
SHADES = (0.25, 0.5, 1.0)
"""Shares whose shade the key shows."""


def happenings_charts(tables: SweepTables) -> dict[str, ChartType]:
    """The charts of what happens: lines of one factor, maps of two, small multiples of three.

    Args:
        tables: The counts of a sweep.
    """
    shares = measured_happenings(tables)
    if not tables.factors or not tables.settings.height:
        return {}
    if len(tables.factors) == 1:
        (factor,) = tables.factors
        drawn = shares or [leading_share(tables.shares)]
        return {"shares": share_curves(tables.pools[factor.name,], drawn, factor)}
    if not shares:
        return {}
    x, y = tables.factors[:2]
    pool = tables.pools[x.name, y.name]
    charts: dict[str, ChartType] = {"what-happens": _largest_map(pool, shares, x, y)}
    for share in shares:
        charts[f"map-{share.name}"] = share_map(pool, share, x, y)
    if tables.factors[2:]:
        third = tables.factors[2]
        pool = tables.pools[x.name, y.name, third.name]
        charts["what-happens-panels"] = _panels(pool, shares, x, y, third)
    return charts


def measured_happenings(tables: SweepTables) -> list[Share]:
    """Those of `HAPPENINGS` that were measured."""
    return [tables.shares[name] for name in HAPPENINGS if name in tables.shares]


def panels_left_out(factor: Factor, most: int = MOST_PANELS) -> list[str]:
    """The levels that have no panel of their own, in order."""
    kept = set(spread(len(factor.labels), most))
    return [label for place, label in enumerate(factor.labels) if place not in kept]


def _largest_map(pool: pl.DataFrame, shares: list[Share], x: Factor, y: Factor) -> ChartType:
    marks = _largest(pool, shares, {"x": x, "y": y})
    tooltip = _tooltip(shares, {"x": x, "y": y})
    height = max(160, 36 * len(y.labels))
    return cells(
        inline(marks),
        marks,
        _colour(shares),
        tooltip,
        x,
        y,
        420,
        height=height,
        opacity=_opacity(legend=True),
    )


def _panels(
    pool: pl.DataFrame, shares: list[Share], x: Factor, y: Factor, third: Factor
) -> ChartType:
    placed = {"x": x, "y": y, "panel": third}
    left_out = panels_left_out(third)
    marks = _largest(pool, shares, placed).filter(~pl.col("panel").is_in(left_out))
    kept = [label for label in third.labels if label not in left_out]
    base = alt.Chart().encode(
        x=across("x", x),
        y=upwards("y", y),
        tooltip=_tooltip(shares, placed),
        **linked(marks),
    )
    opacity = _opacity(legend=False)
    layers = cell_layers(base, marks, _colour(shares), opacity=opacity) + stars(base, marks)
    facet = alt.Facet(
        "panel:N",
        sort=kept,
        title=third.title,
        header=alt.Header(labelLimit=180, titleAnchor="start"),
    )
    return (
        alt.layer(*layers, data=inline(marks))
        .properties(width=190, height=max(96, 16 * len(y.labels)))
        .facet(facet, columns=4)
        .properties(**key_of_few(marks, None, STAR))
        .resolve_axis(x="independent")
        .configure(**theme())
    )


def _largest(pool: pl.DataFrame, shares: list[Share], placed: dict[str, Factor]) -> pl.DataFrame:
    """Each cell with all shares, the largest as `rate`, and which it is as `what`."""
    for share in shares:
        pool = rated(pool, share.name).rename({name: f"{share.name}_{name}" for name in TOLD})
    rates = [pl.col(f"{share.name}_rate") for share in shares]
    pool = pool.with_columns(
        rate=pl.max_horizontal(rates),
        not_interpolated=pl.col("count:not_interpolated"),
        all_runs=pl.col("count:runs"),
        few=few_of(
            pl.min_horizontal([f"{share.name}_runs" for share in shares]), pl.col("count:runs")
        ),
    )
    # The first share that reaches the largest rate tells a tie.
    what = pl.coalesce(
        *(
            pl.when((rate == pl.col("rate")) & (rate >= HALF)).then(pl.lit(share.name))
            for share, rate in zip(shares, rates, strict=True)
        ),
        pl.lit(NONE),
    )
    links = [pl.col("href").fill_null(ANYWHERE)] * ("href" in pool.columns)
    told = [f"{share.name}_{name}" for share in shares for name in TOLD]
    return labelled(pool, placed).select(
        *placed, "rate", what.alias("what"), *told, "all_runs", "not_interpolated", "few", *links
    )


def _colour(shares: list[Share]) -> alt.Color:
    colours = {share.name: share.colour for share in shares} | {NONE: COLOURS["none"]}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("what:N", scale=scale, legend=alt.Legend(title="largest share"))


def _opacity(*, legend: bool) -> alt.Opacity:
    key = alt.Legend(
        title="how large", format="%", values=list(SHADES), symbolType="square",
        symbolFillColor=COLOURS["none"], symbolStrokeWidth=0, columns=len(SHADES),
    )  # fmt: skip
    return alt.Opacity(
        "rate:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 1]), legend=key if legend else None
    )


def _tooltip(shares: list[Share], placed: dict[str, Factor]) -> list[alt.Tooltip]:
    told = [alt.Tooltip(f"{channel}:N", title=factor.title) for channel, factor in placed.items()]
    told.append(alt.Tooltip("what:N", title="what happens"))
    for share in shares:
        told += [
            alt.Tooltip(f"{share.name}_rate:Q", title=share.title, format=".1%"),
            alt.Tooltip(f"{share.name}_low:Q", title=f"{share.name}, 95% from", format=".1%"),
            alt.Tooltip(f"{share.name}_high:Q", title=f"{share.name}, to", format=".1%"),
            alt.Tooltip(f"{share.name}_runs:Q", title=f"{share.name}, runs that count"),
        ]
    return [
        *told,
        alt.Tooltip("all_runs:Q", title="of all runs here"),
        alt.Tooltip("not_interpolated:Q", title="did not interpolate"),
    ]
