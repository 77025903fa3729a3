"""The basins on the plane through three examples, as a map."""

from collections.abc import Iterable
from itertools import pairwise

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.plots.rows import chart_data, known
from mnemoscope.plots.theme import (
    COLOURS,
    CYCLE_SHADES,
    EXAMPLE_SHADES,
    OTHER_CYCLES,
    OTHER_EXAMPLES,
    OTHER_SPURIOUS,
    SPURIOUS_SHADES,
    theme,
)
from mnemoscope.results.summary import Plane

NOWHERE = "no attractor"
MOST_PIECES = 12_000
"""More rectangles than this make a page slow; the map is then drawn at half its resolution."""


def plane_chart(
    plane: pl.DataFrame,
    attractors: pl.DataFrame,
    corners: Plane,
    *,
    width: int = 500,
) -> ChartType:
    """A map of basins: blues are examples, vermilion spurious, purple cycles, grey nothing.

    Args:
        plane: `Audit.plane`, a row for each point of a grid.
        attractors: `Audit.attractors`, which tells whose attractor an id is.
        corners: `Audit.summary.plane`.
        width: In pixels; the height keeps both coordinates to one scale.
    """
    labels = basin_labels(plane, attractors, corners.examples)
    grid = known(plane, "u", "v")
    pieces = _pieces(grid, labels)
    left, right = _ends(pieces, "u", "w")
    bottom, top = _ends(pieces, "v", "z")
    height = round(width * (top - bottom) / (right - left))
    drawn = {label: colour for label, colour in labels.values()}  # noqa: C416 - removes repeats
    x = alt.X(
        "u:Q",
        scale=alt.Scale(domain=[left, right], nice=False, zero=False),
        axis=alt.Axis(grid=False, tickCount=5),
        title="u (root mean square)",
    )
    y = alt.Y(
        "v:Q",
        scale=alt.Scale(domain=[bottom, top], nice=False, zero=False),
        axis=alt.Axis(grid=False, tickCount=5),
        title="v (root mean square)",
    )
    shades = alt.Scale(domain=list(drawn), range=list(drawn.values()))
    columns = alt.DataFormat(
        type="csv", parse={"u": "number", "w": "number", "v": "number", "z": "number"}
    )
    # The stroke covers the hairlines that antialiasing leaves between neighbours.
    basins = (
        alt.Chart(alt.InlineData(values=pieces.write_csv(float_precision=5), format=columns))
        .mark_rect(strokeWidth=1.5)
        .encode(
            x=x,
            x2="w:Q",
            y=y,
            y2="z:Q",
            color=alt.Color("basin:N", scale=shades, legend=alt.Legend(symbolType="square")),
            stroke=alt.Stroke("basin:N", scale=shades, legend=alt.Legend(symbolType="square")),
            tooltip=[
                alt.Tooltip("basin:N", title="ends at"),
                alt.Tooltip("attractor:N", title="attractor"),
            ],
        )
    )
    marks = pl.DataFrame(
        [
            {"u": float(u), "v": float(v), "example": f"example {index}"}
            for index, (u, v) in zip(corners.examples, corners.points, strict=True)
        ]
    )
    base = alt.Chart(chart_data(marks)).encode(x=x, y=y)
    # Fixed colours: these lie on the map, whose colours are the same on light and dark pages.
    dots = base.mark_point(
        shape="circle",
        size=70,
        filled=True,
        fill="#ffffff",
        stroke="#14171a",
        strokeWidth=1.8,
        opacity=1,
    ).encode(tooltip=[alt.Tooltip("example:N", title="training example")])
    halo = base.mark_text(
        dy=-14,
        fontSize=12,
        fontWeight=600,
        stroke="#ffffff",
        strokeWidth=3.5,
        color="#ffffff",
        strokeJoin="round",
        opacity=0.85,
    ).encode(text="example:N")
    names = base.mark_text(dy=-14, fontSize=12, fontWeight=600, color="#14171a").encode(
        text="example:N"
    )
    layers = alt.layer(basins, dots, halo, names).properties(width=width, height=height)
    return layers.configure(**theme())


def basin_labels(
    plane: pl.DataFrame, attractors: pl.DataFrame, corners: Iterable[int]
) -> dict[int, tuple[str, str]]:
    """Each attractor's name and colour on the map, in the order of the legend.

    The three corners come first, then the largest basins; what is left shares one colour.
    """
    area = {
        row["attractor"]: row["len"]
        for row in plane.group_by("attractor").len().iter_rows(named=True)
    }
    kinds = {row["id"]: row for row in attractors.iter_rows(named=True)}
    places = {index: place for place, index in enumerate(corners)}
    examples, spurious, cycles = [], [], []
    for attractor in sorted(area, key=lambda key: (-area[key], key if key is not None else -1)):
        if attractor is None or attractor < 0:
            continue
        row = kinds.get(attractor)
        if row is not None and row["kind"] == "cycle":
            cycles.append((attractor, f"cycle {attractor}"))
        elif row is None or row["spurious"] or row["nearest_example"] is None:
            spurious.append((attractor, f"spurious {attractor}"))
        else:
            examples.append((attractor, row["nearest_example"]))
    examples.sort(key=lambda pair: places.get(pair[1], len(places)))
    named = [(attractor, f"example {index}") for attractor, index in examples]
    labels = {
        **_shaded(named, EXAMPLE_SHADES, "other examples", OTHER_EXAMPLES),
        **_shaded(cycles, CYCLE_SHADES, "other cycles", OTHER_CYCLES),
        **_shaded(spurious, SPURIOUS_SHADES, "other spurious", OTHER_SPURIOUS),
    }
    if len(labels) < len(area):
        labels[-1] = (NOWHERE, COLOURS["none"])
    return labels


def _shaded(
    named: list[tuple[int, str]], shades: tuple[str, ...], rest: str, rest_colour: str
) -> dict[int, tuple[str, str]]:
    colours: dict[str, str] = {}
    labels = {}
    for attractor, name in named:
        if name not in colours and len(colours) == len(shades):
            labels[attractor] = (rest, rest_colour)
        else:
            colour = colours.setdefault(name, shades[min(len(colours), len(shades) - 1)])
            labels[attractor] = (name, colour)
    return labels


def _pieces(plane: pl.DataFrame, labels: dict[int, tuple[str, str]]) -> pl.DataFrame:
    """The grid as few rectangles `u..w x v..z`: equal neighbours and equal rows merged."""
    us, vs = plane["u"].unique().sort().to_list(), plane["v"].unique().sort().to_list()
    ends = {(row[0], row[1]): row[2] for row in plane.select("u", "v", "attractor").iter_rows()}
    while True:
        pieces = _merged(us, vs, ends)
        if len(pieces) <= MOST_PIECES:
            break
        us, vs = us[::2], vs[::2]
    across, up = _spacing(us), _spacing(vs)
    return pl.DataFrame(
        [
            {
                "u": us[i] - across / 2,
                "w": us[j] + across / 2,
                "v": vs[k] - up / 2,
                "z": vs[m] + up / 2,
                "basin": labels.get(attractor, labels.get(-1, (NOWHERE, "")))[0],
                "attractor": str(attractor) if attractor >= 0 else "none",
            }
            for (i, j, k, m, attractor) in pieces
        ]
    )


def _merged(
    us: list[float], vs: list[float], ends: dict[tuple[float, float], int | None]
) -> list[tuple[int, int, int, int, int]]:
    """Rectangles of grid places: first and last column, first and last row, attractor."""
    done: list[tuple[int, int, int, int, int]] = []
    open_runs: dict[tuple[int, int, int], int] = {}
    for k, v in enumerate(vs):
        runs: list[tuple[int, int, int]] = []
        for i, u in enumerate(us):
            if (u, v) not in ends:
                continue
            end = ends[u, v]
            attractor = -1 if end is None else end
            if runs and runs[-1][1] == i - 1 and runs[-1][2] == attractor:
                runs[-1] = (runs[-1][0], i, attractor)
            else:
                runs.append((i, i, attractor))
        current = {run: open_runs.get(run, k) for run in runs}
        done += [
            (i, j, first, k - 1, a)
            for (i, j, a), first in open_runs.items()
            if (i, j, a) not in current
        ]
        open_runs = current
    last = len(vs) - 1
    return done + [(i, j, first, last, a) for (i, j, a), first in open_runs.items()]


def _ends(pieces: pl.DataFrame, low: str, high: str) -> tuple[float, float]:
    return min(pieces[low].to_list()), max(pieces[high].to_list())


def _spacing(places: list[float]) -> float:
    return min((b - a for a, b in pairwise(places)), default=1.0)
