"""Draws figures with Altair, and turns tables into the JSON values that charts carry."""

import math
from collections.abc import Iterator
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.figure import Axis, Figure
from mnemoscope.plots.theme import COLOURS, theme

DASHED: dict[str, Any] = {"style": "reference", "strokeDash": [4, 3]}


def draw(figure: Figure) -> ChartType:
    """Draws a figure: intervals, lines, points, the line of theory, and its panels."""
    if figure.cells is not None:
        layers = [*_cells(figure, figure.cells)]
    else:
        layers = [*_intervals(figure), *_lines(figure), _points(figure), *_theory(figure)]
    data = chart_data(figure.data.select(_columns(figure)))
    chart = alt.layer(*layers, data=data).properties(width=figure.width, height=figure.height)
    if figure.facet:
        chart = chart.facet(_panels(alt.Facet, figure, figure.facet), columns=figure.columns)
    elif figure.row or figure.column:
        ways = {"row": (alt.Row, figure.row), "column": (alt.Column, figure.column)}
        chart = chart.facet(
            **{
                name: _panels(kind, figure, column)
                for name, (kind, column) in ways.items()
                if column
            }
        )
    return chart.configure(**theme())


def _panels(kind: Any, figure: Figure, column: str) -> Any:
    values = figure.data[column].unique(maintain_order=True).to_list()
    return kind(f"{column}:N", title=None, sort=values)


def _cells(figure: Figure, share: Axis) -> Iterator[alt.Chart]:
    places, tooltip = _places(figure), _tooltip(figure)
    # The paper shows through a small share, so that one scale serves light and dark pages.
    strength = alt.Opacity(
        f"{share.column}:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 1]), legend=None
    )
    rect = alt.Chart().mark_rect(color=COLOURS["stored"])
    yield rect.encode(**places, opacity=strength, tooltip=tooltip)
    if figure.outline:
        outline = alt.Chart().mark_rect(
            filled=False, style="reference", strokeWidth=2.5, strokeOpacity=1
        )
        yield outline.transform_filter(f"datum.{figure.outline}").encode(**places)
    text = alt.Chart().mark_text(style="reference-label", fontSize=10)
    yield text.encode(
        **places,
        text=alt.Text(f"{share.column}:Q", format=".0%"),
        color=alt.when(f"datum.{share.column} > 0.55").then(alt.value("white")),
    )


def _points(figure: Figure) -> alt.Chart:
    mark = alt.Chart().mark_point(filled=True, size=45, opacity=1 if figure.interval else 0.7)
    encoding = {**_places(figure), **_colour(figure), "tooltip": _tooltip(figure)}
    if figure.shape:
        title = figure.titles.get(figure.shape)
        encoding["shape"] = alt.Shape(f"{figure.shape}:N", sort=None, title=title)
    return mark.encode(**encoding)


def _lines(figure: Figure) -> Iterator[alt.Chart]:
    if figure.line is None:
        return
    encoding = {**_places(figure), **_colour(figure)}
    if figure.line != "values":
        encoding["y"] = _channel(alt.Y, figure.y, f"{figure.line}({figure.y.column}):Q")
    if figure.detail:
        encoding["detail"] = f"{figure.detail}:N"
    if figure.shape:
        encoding["strokeDash"] = alt.StrokeDash(f"{figure.shape}:N", sort=None, legend=None)
    yield alt.Chart().mark_line().encode(**encoding)


def _intervals(figure: Figure) -> Iterator[alt.Chart]:
    if not figure.interval:
        return
    axis, places = figure.quantity, _places(figure)
    along, kind = ("x", alt.X) if axis is figure.x else ("y", alt.Y)
    places[along] = _channel(kind, axis, f"{axis.column}_low:Q")
    ends = {f"{along}2": f"{axis.column}_high:Q"}
    yield alt.Chart().mark_rule().encode(**places, **ends, **_colour(figure))


def _theory(figure: Figure) -> Iterator[alt.Chart]:
    line = figure.theory
    if line is None:
        return
    if line.diagonal:
        column = figure.data[figure.x.column]
        ends = figure.x.domain or (column.min(), column.max())
        ends = [{figure.x.column: end, figure.y.column: end} for end in ends]
        diagonal = alt.Chart(alt.InlineData(values=ends)).mark_line(**DASHED)
        yield diagonal.encode(x=_channel(alt.X, figure.x), y=_channel(alt.Y, figure.y))
    elif isinstance(line.y, str):
        y = _channel(alt.Y, figure.y, f"mean({line.y}):Q")
        yield alt.Chart().mark_line(**DASHED).encode(x=_channel(alt.X, figure.x), y=y)
    else:
        along = (("x", alt.X, figure.x, line.x), ("y", alt.Y, figure.y, line.y))
        for name, kind, axis, value in along:
            if value is not None:
                # A table of its own: the rule would be drawn once for each row.
                rule = alt.Chart(alt.InlineData(values=[{axis.column: value}]))
                yield rule.mark_rule(**DASHED).encode(**{name: _channel(kind, axis)})


def _places(figure: Figure) -> dict[str, Any]:
    places = {"x": _channel(alt.X, figure.x), "y": _channel(alt.Y, figure.y)}
    if figure.offset and figure.x.scale == "category":
        places["xOffset"] = alt.XOffset(f"{figure.offset}:N", sort=None)
    elif figure.offset:
        places["yOffset"] = alt.YOffset(f"{figure.offset}:N", sort=None)
    return places


def _channel(kind: Any, axis: Axis, field: str = "") -> Any:
    title = axis.title or None
    if axis.scale == "category":
        order = list(axis.ticks) or None
        return kind(f"{axis.column}:N", title=title, sort=order, axis=alt.Axis(labelAngle=0))
    form = "%" if axis.scale == "share" else axis.format
    ticks = alt.Axis(
        values=list(axis.ticks) if axis.ticks else alt.Undefined,
        format=form if form else alt.Undefined,
    )
    return kind(field or f"{axis.column}:Q", title=title, scale=_scale(axis), axis=ticks)


def _scale(axis: Axis) -> alt.Scale:
    if axis.scale == "share":
        return alt.Scale(domain=[0, 1])
    options: dict[str, Any] = {
        "linear": {},
        "log": {"type": "log"},
        "log2": {"type": "log", "base": 2},
        "symlog": {"type": "symlog", "constant": 0.1},
    }[axis.scale]
    if axis.domain is not None:
        options |= {"domain": list(axis.domain), "clamp": True, "zero": False}
    elif axis.ticks:
        # Ticks are at the values themselves, so the ends need room and no rounding.
        options |= {"nice": False, "padding": 16}
    return alt.Scale(**options)


def _colour(figure: Figure) -> dict[str, Any]:
    if not figure.by:
        return {}
    options: dict[str, Any] = {"sort": None, "title": figure.titles.get(figure.by)}
    if figure.colours:
        colours = [COLOURS[name] for name in figure.colours.values()]
        options["scale"] = alt.Scale(domain=list(figure.colours), range=colours)
    return {"color": alt.Color(f"{figure.by}:N", **options)}


def _tooltip(figure: Figure) -> list[alt.Tooltip]:
    """Returns the tooltip: what decides the point, its place, and its interval."""
    return [
        alt.Tooltip(
            f"{column}:{'Q' if figure.data[column].dtype.is_numeric() else 'N'}",
            title=title,
            format=".1%" if share else alt.Undefined,
        )
        for column, title, share in _tooltip_columns(figure)
    ]


def _tooltip_columns(figure: Figure) -> Iterator[tuple[str, str, bool]]:
    deciding = (figure.facet, figure.row, figure.column, figure.by, figure.shape, figure.offset)
    places = {axis.column: axis for axis in (figure.x, figure.y, figure.cells) if axis}
    for column in dict.fromkeys([*deciding, *places, *figure.tooltip]):
        if column:
            axis = places.get(column)
            title = figure.titles.get(column) or (axis and axis.title) or column
            yield column, title, axis is not None and axis.scale == "share"
    if figure.interval or figure.cells:
        yield from ((name, title, False) for name, title in COUNTS.items())
        name = figure.quantity.column
        yield from ((f"{name}_low", "95% from", True), (f"{name}_high", "to", True))


COUNTS = {"runs": "networks", "count": "count", "total": "of"}
"""Titles of the columns behind a rate."""


def _columns(figure: Figure) -> list[pl.Expr]:
    """Returns the columns that the chart shows."""
    shown = [column for column, _, _ in _tooltip_columns(figure)]
    behind = [figure.detail, figure.outline, figure.theory.y if figure.theory else None]
    names = dict.fromkeys([*shown, *(name for name in behind if isinstance(name, str))])
    return [pl.col(name) for name in names]


def tooltips(*entries: tuple[str, ...]) -> list[alt.Tooltip]:
    """Builds tooltips, each from a field with its type, a title and optionally a format."""
    return [
        alt.Tooltip(field, title=title, format=form[0] if form else alt.Undefined)
        for field, title, *form in entries
    ]


def known(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Returns the rows in which each of the columns is a finite number."""
    return frame.filter(
        *(
            pl.col(name).is_not_null() & pl.col(name).cast(pl.Float64).is_finite()
            for name in columns
        )
    )


def chart_data(frame: pl.DataFrame, digits: int = 6) -> alt.InlineData:
    """Converts a table to inline data: floats to `digits` digits, None if they are not finite."""
    return alt.InlineData(
        values=[
            {name: _json_value(value, digits) for name, value in row.items()}
            for row in frame.iter_rows(named=True)
        ]
    )


def _json_value(value: Any, digits: int) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
