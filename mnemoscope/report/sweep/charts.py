"""The chart of a sweep: cells over two factors or lines over one, in panels of others."""

from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.base.quantity import Quantity
from mnemoscope.plots.draw import chart_data
from mnemoscope.plots.theme import CATEGORIES, theme
from mnemoscope.report.pictures import spread
from mnemoscope.report.sweep.channels import (
    NONE,
    across,
    kinds,
    level_colours,
    lines,
    numbers_across,
    shaded,
    upwards,
    vertical_axis,
)
from mnemoscope.report.sweep.factors import Factor
from mnemoscope.report.sweep.runs import (
    Runs,
    colour,
    estimated,
    few_of,
    is_share,
    labelled,
    marks_of,
    title,
)

NO_RUN = "×"
"""Marks a cell in which no run counts for the quantity."""

FEW = "fewer than 80% of the runs count"
STAR, HOLLOW = "*", "○"
"""How a cell, and a point, of few of its runs look."""

HALF = 0.5
"""The least share that names a cell."""

MAX_NUMBERED, MAX_LONG_NUMBERED = 8, 5
"""Columns of cells that are wide enough for a percentage, and for any number."""

MAX_COLOURS = len(CATEGORIES)
MAX_BANDS = 4
"""Bands of more intervals over each other cannot be distinguished."""

MAX_PANELS = 12
MAX_COLUMNS = 8
"""Panels side by side, where others are below each other."""

DIGITS = 7
"""Digits of a number in a chart, which may vary in its last ones alone; of a share four do."""


@dataclass(frozen=True)
class View:
    """What a chart shows; `words` describe it to readers who do not see it."""

    name: str
    words: str
    # One; or several shares, as lines of a color each, or as cells of the largest.
    quantities: tuple[Quantity, ...]
    x: Factor
    # None for lines, whose height is the quantity; `by` is in their color.
    y: Factor | None = None
    by: Factor | None = None
    # One for cells, one or two for lines.
    panels: tuple[Factor, ...] = ()

    @property
    def placed(self) -> dict[str, Factor]:
        """The factor of each channel."""
        factors = {"x": self.x, "y": self.y, "colour": self.by}
        named = ("column", "row") if self.y is None else ("panel",)
        return {
            **{channel: factor for channel, factor in factors.items() if factor is not None},
            **dict(zip(named, self.panels, strict=False)),
        }

    @property
    def unshown(self) -> dict[str, list[str]]:
        """The levels that have no panel, in order, by the channel of the panels."""
        channels = {name: one for name, one in self.placed.items() if one in self.panels}
        return {
            channel: _unshown(factor, MAX_COLUMNS if channel == "column" else MAX_PANELS)
            for channel, factor in channels.items()
        }


def chart(runs: Runs, view: View) -> ChartType | None:
    """Draws quantities against one or two factors; all others are pooled.

    Returns:
        The chart; None if it has no mark.
    """
    return _lines(runs, view) if view.y is None else _cells(runs, view, view.y)


def _cells(runs: Runs, view: View, y: Factor) -> ChartType:
    """Cells filled by value, crosses where no run counts, nothing where nothing was run."""
    (quantity, *more), x = view.quantities, view.x
    filled: dict[str, Any]
    if more:
        marks, heading = _largest(runs, view), None
        filled = kinds(view.quantities, legend=not view.panels)
    else:
        marks, heading = marks_of(runs, quantity, view.placed), title(quantity).capitalize()
        filled = {"color": shaded(quantity, marks)}
    marks = _in_panels(marks, view).drop(f"{channel}_at" for channel in view.placed)
    links, pointer = _links(marks)
    base = alt.Chart().encode(x=across("x", x), y=upwards("y", y), tooltip=_tooltip(view), **links)
    known = base.transform_filter("isValid(datum.rate)")
    crosses = base.transform_filter("!isValid(datum.rate)")
    edge: dict[str, Any] = {"style": "reference", "strokeOpacity": 0.15, "strokeWidth": 0.5}
    ink: dict[str, Any] = {"style": "reference-label", **pointer}
    layers = [
        known.mark_rect(**edge, **pointer).encode(**filled),
        crosses.mark_text(text=NO_RUN, fontSize=13, **ink),
    ]
    share = is_share(quantity)
    # Ink is legible on the darkest of the cells, and on the dark page too.
    if not more and len(x.labels) <= (MAX_NUMBERED if share else MAX_LONG_NUMBERED):
        number = "100 * datum.rate, '.0f'" if share else "datum.rate, '.3~g'"
        star = f" + (datum.few ? '{STAR}' : '')" if _has_few(marks) else ""
        numbers = known.transform_calculate(number=f"format({number}){star}")
        numbers = numbers.mark_text(fillOpacity=1, fontSize=10, **ink)
        layers.append(numbers.encode(text=alt.Text("number:N")))
        heading = f"{heading}, in percent" if share else heading
    elif _has_few(marks):
        few = base.transform_filter("datum.few && isValid(datum.rate)")
        layers.append(few.mark_text(text=STAR, fillOpacity=1, fontSize=12, dy=2, **ink))
    rows = len(y.labels)
    width, height = (190, max(96, 16 * rows)) if view.panels else (240, max(96, 24 * rows))
    if more and not view.panels:
        width, height = 420, max(160, 36 * rows)
    layered = alt.layer(*layers, data=_inline(marks)).properties(width=width, height=height)
    return _finished(layered, view, _heading(marks, heading, STAR))


def _lines(runs: Runs, view: View) -> ChartType | None:
    """Lines through points with the bands of their intervals; points with rules over text."""
    marks = pl.concat(
        marks_of(runs, one, view.placed).with_columns(share=pl.lit(one.name))
        for one in view.quantities
    )
    (quantity, *more), x = view.quantities, view.x
    marks = marks if more else marks.drop("share")
    if x.has_axis:
        marks = marks.filter(pl.col("x_at").is_not_null()).sort("x_at", maintain_order=True)
    marks = _in_panels(marks, view)
    known = marks.filter(pl.col("rate").is_not_null())
    if known.is_empty():
        return None
    scale, axis, ends = vertical_axis(quantity, known)
    if view.panels:
        known = _all_panels(marks, known, list(view.unshown))
    if ends is not None:
        known = known.with_columns(
            pl.col("low").clip(*ends).alias("foot"), pl.col("high").clip(*ends).alias("top")
        )
    width, height = (480, 240) if more else (300, 190)
    if view.panels:
        width, height = min(220, 690 // known["column"].n_unique()), 96
    data = _inline(known, 4 if is_share(quantity) else DIGITS)
    layered = alt.layer(*_line_layers(known, view, {"scale": scale, "axis": axis}), data=data)
    heading = title(quantity).capitalize() if view.panels else None
    return _finished(
        layered.properties(width=width, height=height), view, _heading(known, heading, HOLLOW)
    )


def _line_layers(marks: pl.DataFrame, view: View, axes: dict[str, Any]) -> list[alt.Chart]:
    """Returns the layers, from below; a point of few of its runs is hollow."""
    several, x, by = len(view.quantities) > 1, view.x, view.by
    heading = None if view.panels else "share" if several else title(view.quantities[0])
    axes = {**axes, "title": heading}
    low, high = ("foot", "top") if "foot" in marks.columns else ("low", "high")
    across_x = numbers_across(x, crowded=bool(view.panels)) if x.has_axis else across("x", x)
    channel, colours = "share", {one.name: colour(one) for one in view.quantities}
    if by is not None:
        channel, colours = "colour", level_colours(by)
    coloured = several or by is not None
    hue = (
        lines(channel, colours, None if by is None else by.title)
        if coloured
        else alt.value(colour(view.quantities[0]))
    )
    base = alt.Chart().encode(x=across_x, color=hue)
    if coloured and not x.has_axis:
        base = base.encode(xOffset=alt.XOffset(f"{channel}:N", sort=list(colours)))
    layers = []
    if by is None or len(by.labels) <= MAX_BANDS or not x.has_axis:
        ends = base.transform_filter(f"isValid(datum.{low})")
        ends = ends.mark_area(opacity=0.13) if x.has_axis else ends.mark_rule(strokeWidth=1.5)
        layers.append(ends.encode(y=alt.Y(f"{low}:Q", **axes), y2=f"{high}:Q"))
    rate = alt.Y("rate:Q", **axes)
    if x.has_axis:
        layers.append(base.mark_line(strokeWidth=1.8).encode(y=rate))
    links, pointer = _links(marks)
    points = base.encode(y=rate, tooltip=_tooltip(view), **links)
    look: dict[str, Any] = {"size": 42, "opacity": 1, **pointer}
    if not _has_few(marks):
        return [*layers, points.mark_point(filled=True, **look)]
    hollow = points.transform_filter("datum.few").mark_point(filled=False, strokeWidth=1.5, **look)
    return [
        *layers,
        points.transform_filter("!datum.few").mark_point(filled=True, **look),
        # A transparent point would not react to the pointer; one filled with no color does.
        hollow.encode(fill=alt.value("transparent")),
    ]


def _largest(runs: Runs, view: View) -> pl.DataFrame:
    """Returns each cell with all shares, the largest as `rate`, and its name as `what`."""
    names = [one.name for one in view.quantities]
    pool = runs.by(*view.placed.values())
    for one in view.quantities:
        columns = {name: f"{one.name}_{name}" for name in ("rate", "low", "high", "runs")}
        pool = estimated(pool, one).rename(columns)
    pool = pool.with_columns(
        rate=pl.max_horizontal(f"{name}_rate" for name in names),
        few=few_of(pl.min_horizontal(f"{name}_runs" for name in names), pl.col("all_runs")),
    )
    # Of equal rates the first share names the cell.
    what = pl.coalesce(
        *(
            pl.when(pl.col(f"{name}_rate") == pl.col("rate"), pl.col("rate") >= HALF).then(
                pl.lit(name)
            )
            for name in names
        ),
        pl.lit(NONE),
    )
    return labelled(pool, view.placed).select(
        *view.placed,
        *(f"{channel}_at" for channel in view.placed),
        "rate",
        what.alias("what"),
        pl.col(*(f"{name}_{part}" for name in names for part in ("rate", "low", "high", "runs"))),
        "all_runs",
        "lost",
        "few",
        *(["href"] * ("href" in pool.columns)),
    )


def _in_panels(marks: pl.DataFrame, view: View) -> pl.DataFrame:
    """Returns the marks of levels that have a panel."""
    return marks.filter(
        *(~pl.col(channel).is_in(labels) for channel, labels in view.unshown.items())
    )


def _all_panels(marks: pl.DataFrame, known: pl.DataFrame, channels: list[str]) -> pl.DataFrame:
    """Returns the known marks, with an empty one in each panel that has none.

    Vega lays panels out one after the other: without these, all panels after a missing one would
    have the headings of others.
    """
    panels = pl.DataFrame({"x_at": [marks["x_at"][0]]})
    for channel in channels:
        panels = panels.join(marks.select(channel).unique(maintain_order=True), how="cross")
    return pl.concat([known, panels.join(known, on=channels, how="anti")], how="diagonal")


def _finished(layered: Any, view: View, heading: dict[str, Any]) -> ChartType:
    """Returns the chart in its panels, with its heading and the theme."""
    if not view.panels:
        return layered.properties(**heading).configure(**theme())
    facets = {}
    for channel, hidden in view.unshown.items():
        factor = view.placed[channel]
        kind = {"column": alt.Column, "row": alt.Row, "panel": alt.Facet}[channel]
        # In the middle of wide panels a title would be out of sight on a narrow page.
        look: dict[str, Any] = {"titleAnchor": "start"}
        if channel == "row":
            look = {"labelAngle": 0, "labelAlign": "left"}
        header = alt.Header(labelLimit=180 if channel == "panel" else 130, **look)
        kept = [label for label in factor.labels if label not in hidden]
        facets["facet" if channel == "panel" else channel] = kind(
            f"{channel}:N", sort=kept, title=factor.title, header=header
        )
    if "facet" in facets:
        paneled = layered.facet(**facets, columns=4).resolve_axis(x="independent")
    else:
        paneled = layered.facet(**facets, spacing=14)
    return paneled.properties(**heading).configure(**theme())


def _heading(marks: pl.DataFrame, heading: str | None, sign: str) -> dict[str, Any]:
    """Returns the chart's title, with the meaning of a sign below it if any mark bears the sign."""
    if not _has_few(marks.filter(pl.col("rate").is_not_null())):
        return {} if heading is None else {"title": heading}
    meaning = f"{sign} {FEW}"
    if heading is None:
        return {"title": alt.TitleParams(text=meaning, fontSize=11, fontWeight="normal", limit=300)}
    return {"title": alt.TitleParams(text=heading, subtitle=meaning)}


def _tooltip(view: View) -> list[alt.Tooltip]:
    """Returns the levels, each rate with its interval, and the runs behind it."""
    (quantity, *more), in_cells = view.quantities, view.y is not None
    found = {f"{name}:N": one.title for name, one in view.placed.items()}
    format = ".1%" if is_share(quantity) else ".4~g"
    rates: dict[str, str] = {}
    if more and in_cells:
        found["what:N"] = "what happens"
        for one in view.quantities:
            rates |= _rate_titles(f"{one.name}_", title(one), f"{one.name}, ")
    else:
        found |= {"share:N": "of"} if more else {}
        heading = title(quantity) if is_share(quantity) else f"the mean of {title(quantity)}"
        rates = _rate_titles("", "share" if more else heading, "")
    found |= rates | {"all_runs:Q": "of all runs here", "lost:Q": "did not interpolate"}
    formats: dict[str, Any] = {
        field: {"format": format} for field in rates if not field.endswith("runs:Q")
    }
    return [
        alt.Tooltip(field, title=name, **formats.get(field, {})) for field, name in found.items()
    ]


def _rate_titles(prefix: str, heading: str, named: str) -> dict[str, str]:
    return {
        f"{prefix}rate:Q": heading,
        f"{prefix}low:Q": f"{named}95% from",
        f"{prefix}high:Q": f"{named}to",
        f"{prefix}runs:Q": f"{named}runs that count",
    }


def _links(marks: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the channel that leads to a run and the pointer's look, if the marks have links."""
    linked = "href" in marks.columns
    return ({"href": alt.Href("href:N")}, {"cursor": "pointer"}) if linked else ({}, {})


def _has_few(marks: pl.DataFrame) -> bool:
    return marks["few"].null_count() < marks.height


def _inline(marks: pl.DataFrame, digits: int = 4) -> alt.InlineData:
    """Returns the marks as inline data, without columns that are empty."""
    empty = [name for name in marks.columns if marks[name].null_count() == marks.height]
    return chart_data(marks.drop(empty), digits)


def _unshown(factor: Factor, most: int) -> list[str]:
    """Returns the levels of a factor that have no panel, in order."""
    kept = set(spread(len(factor.labels), most))
    return [label for place, label in enumerate(factor.labels) if place not in kept]
