"""Describes a figure as plain data: which columns of a table, on which scales, and the theory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Scale = Literal["linear", "log", "log2", "symlog", "share", "category"]


@dataclass(frozen=True)
class Axis:
    """A column along an axis.

    Attributes:
        column: Name of the column.
        title: Title of the axis; empty for none.
        scale: `share` is linear from 0 to 1 in percent; `category` has a place for each value, in
            the order of `ticks`, or of the table.
        ticks: Values at which there are ticks (default: chosen by the drawing library).
        domain: Ends of the axis; values beyond them are drawn at the ends.
        format: Number format of the ticks, as d3 writes it.
    """

    column: str
    title: str = ""
    scale: Scale = "linear"
    ticks: tuple[float, ...] = ()
    domain: tuple[float, float] | None = None
    format: str | None = None


@dataclass(frozen=True)
class Reference:
    """A dashed line: where theory expects the points, or a threshold.

    Attributes:
        x: A vertical line at this value.
        y: A horizontal line at this value, or the mean of this column against `x`.
        diagonal: The line on which both axes have the same value.
    """

    x: float | None = None
    y: float | str | None = None
    diagonal: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart of one table, as plain data.

    Attributes:
        data: A row for each point.
        x: The horizontal axis.
        y: The vertical axis.
        by: Column that decides the colour.
        shape: Column that decides the shape of the points.
        offset: Column by which points of one category are moved apart, along a `category` axis.
        detail: Column that separates lines of one colour.
        cells: A share: both axes are categories then, and each pair of them is a cell with this
            percentage, and with its interval in the tooltip.
        outline: Column that decides which cells have an outline.
        line: Connects the points of each colour: their values, or the mean or median at each `x`.
        interval: Draws the 95% intervals in the columns `{name}_low` and `{name}_high`, `name`
            being the column of the quantity; `runs`, `count` and `total` are then in the tooltip.
        theory: The line that theory, or a threshold, gives.
        facet: Column with a panel for each value, `columns` in a row.
        row: Column with a row of panels for each value.
        column: Column with a column of panels for each value.
        columns: Panels in a row, with `facet`.
        colours: Names in `mnemoscope.plots.theme.COLOURS` by value of `by`.
        titles: Titles of legends and tooltips by column.
        tooltip: Further columns in the tooltip.
        width: Width of a panel in pixels.
        height: Height of a panel in pixels.
    """

    data: pl.DataFrame
    x: Axis
    y: Axis
    by: str | None = None
    shape: str | None = None
    offset: str | None = None
    detail: str | None = None
    cells: Axis | None = None
    outline: str | None = None
    line: Literal["values", "mean", "median"] | None = None
    interval: bool = False
    theory: Reference | None = None
    facet: str | None = None
    row: str | None = None
    column: str | None = None
    columns: int = 3
    colours: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    tooltip: tuple[str, ...] = ()
    width: int = 260
    height: int = 220

    @property
    def panels(self) -> bool:
        """True if there are several panels."""
        return any((self.facet, self.row, self.column))

    @property
    def quantity(self) -> Axis:
        """The axis of the measurement: the cells, `y`, or `x` where `y` has categories."""
        if self.cells is not None:
            return self.cells
        return self.x if self.y.scale == "category" else self.y
