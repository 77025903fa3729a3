"""Charts of starts: where their orbits ended, by distribution and on a plane."""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import Any

import altair as alt
import polars as pl
from altair.typing import ChartType

from mnemoscope.base.labels import start_label
from mnemoscope.base.stats import Rate
from mnemoscope.plots.draw import chart_data, known, tooltips
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

OUTCOMES: dict[str, tuple[str, str]] = {
    "at_examples": ("at an example", "stored"),
    "at_spurious": ("spurious", "spurious"),
    "at_cycles": ("limit cycle", "cycle"),
    "unsettled": ("unsettled", "unsettled"),
    "diverged": ("diverged", "diverged"),
    "left_domain": ("left the domain", "left_domain"),
    "not_attracting": ("not attracting", "not_attracting"),
}
"""The outcomes of an orbit, as columns of `Audit.starts`: label and name of the colour."""

NOWHERE = "no attractor"
MAX_PIECES = 12_000
"""Rectangles above which the map is drawn at half its resolution, since more slow a page down."""


def basins_chart(starts: pl.DataFrame) -> ChartType:
    """Draws a bar for each distribution of starts, with a piece for each outcome of an orbit."""
    tried = starts.filter(pl.col("starts") > 0)
    kinds = [start_label(kind) for kind in tried["kind"]]
    seen = [column for column in OUTCOMES if tried[column].sum() > 0]
    shades = alt.Scale(
        domain=[OUTCOMES[column][0] for column in seen],
        range=[COLOURS[OUTCOMES[column][1]] for column in seen],
    )
    places = alt.Axis(ticks=False, domain=False, labelLimit=150)
    shares = alt.Axis(format="%", tickCount=5)
    chart = (
        alt.Chart(chart_data(_outcomes(tried), 5))
        .mark_bar(height=20)
        .encode(
            y=alt.Y("kind:N", sort=kinds, title=None, axis=places),
            x=alt.X(
                "begin:Q", scale=alt.Scale(domain=[0, 1]), axis=shares, title="share of starts"
            ),
            x2="end:Q",
            color=alt.Color("outcome:N", scale=shades, legend=alt.Legend(symbolType="square")),
            tooltip=tooltips(
                ("kind:N", "starts"),
                ("outcome:N", "ended"),
                ("count:Q", "count"),
                ("starts:Q", "of"),
                ("share:Q", "share", ".1%"),
                ("low:Q", "95% from", ".1%"),
                ("high:Q", "to", ".1%"),
            ),
        )
    )
    return chart.properties(width=620, height=30 * tried.height).configure(**theme())


def _outcomes(tried: pl.DataFrame) -> pl.DataFrame:
    """Lists the outcomes of each distribution that occurred, with the ends of their pieces."""
    pieces = []
    for row in tried.iter_rows(named=True):
        total, begin = row["starts"], 0
        for column, (label, _) in OUTCOMES.items():
            rate = Rate.of(row[column], total)
            end = begin + rate.count
            if rate.count:
                pieces.append(
                    {
                        "kind": start_label(row["kind"]),
                        "outcome": label,
                        "count": rate.count,
                        "starts": total,
                        "begin": begin / total,
                        "end": end / total,
                        "share": rate.rate,
                        "low": rate.low,
                        "high": rate.high,
                    }
                )
            begin = end
    return pl.DataFrame(pieces, infer_schema_length=None)


def plane_chart(plane: pl.DataFrame, attractors: pl.DataFrame, corners: Plane) -> ChartType:
    """Draws a map of basins: blue for examples, vermilion for spurious, purple for cycles."""
    labels = basin_labels(plane, attractors, corners.examples)
    pieces = _pieces(known(plane, "u", "v"), labels)
    left, right = min(pieces["u"].to_list()), max(pieces["w"].to_list())
    bottom, top = min(pieces["v"].to_list()), max(pieces["z"].to_list())
    axis = alt.Axis(grid=False, tickCount=5)
    ends: dict[str, Any] = {"nice": False, "zero": False}
    x = alt.X(
        "u:Q",
        scale=alt.Scale(domain=[left, right], **ends),
        axis=axis,
        title="u (root mean square)",
    )
    y = alt.Y(
        "v:Q",
        scale=alt.Scale(domain=[bottom, top], **ends),
        axis=axis,
        title="v (root mean square)",
    )
    colours = dict(labels.values())
    shades: dict[str, Any] = {
        "scale": alt.Scale(domain=list(colours), range=list(colours.values())),
        "legend": alt.Legend(symbolType="square"),
    }
    columns = alt.DataFormat(type="csv", parse=dict.fromkeys("uwvz", "number"))
    # The stroke covers the hairlines that antialiasing leaves between neighbours.
    basins = (
        alt.Chart(alt.InlineData(values=pieces.write_csv(float_precision=5), format=columns))
        .mark_rect(strokeWidth=1.5)
        .encode(
            x=x,
            x2="w:Q",
            y=y,
            y2="z:Q",
            color=alt.Color("basin:N", **shades),
            stroke=alt.Stroke("basin:N", **shades),
            tooltip=tooltips(("basin:N", "ends at"), ("attractor:N", "attractor")),
        )
    )
    layers = alt.layer(basins, *_corners(corners, x, y))
    # Both coordinates have one scale.
    height = round(500 * (top - bottom) / (right - left))
    return layers.properties(width=500, height=height).configure(**theme())


def _corners(corners: Plane, x: alt.X, y: alt.Y) -> Iterator[alt.Chart]:
    """Yields the layers that mark and name the three examples.

    Their colours are fixed: the map below has the same colours on light and dark pages.
    """
    us, vs = zip(*corners.points, strict=True)
    names = [f"example {index}" for index in corners.examples]
    base = alt.Chart(chart_data(pl.DataFrame({"u": us, "v": vs, "example": names})))
    base = base.encode(x=x, y=y)
    dot: dict[str, Any] = {"fill": "#ffffff", "stroke": "#14171a", "strokeWidth": 1.8}
    dots = base.mark_point(shape="circle", size=70, filled=True, opacity=1, **dot)
    yield dots.encode(tooltip=tooltips(("example:N", "training example")))
    text: dict[str, Any] = {"dy": -14, "fontSize": 12, "fontWeight": 600}
    halo: dict[str, Any] = {
        "stroke": "#ffffff",
        "strokeWidth": 3.5,
        "strokeJoin": "round",
        "opacity": 0.85,
    }
    yield base.mark_text(color="#ffffff", **halo, **text).encode(text="example:N")
    yield base.mark_text(color="#14171a", **text).encode(text="example:N")


def basin_labels(
    plane: pl.DataFrame, attractors: pl.DataFrame, corners: Iterable[int]
) -> dict[int, tuple[str, str]]:
    """Returns the name and colour of each attractor on the map, in the order of the legend.

    The three corners come first, then the largest basins; the rest share one colour.
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
    """Merges equal neighbours of the grid, and equal rows, into rectangles `u..w x v..z`."""
    us, vs = plane["u"].unique().sort().to_list(), plane["v"].unique().sort().to_list()
    points = plane.select("u", "v", pl.col("attractor").fill_null(-1)).iter_rows()
    ends = {(u, v): attractor for u, v, attractor in points}
    pieces = _merged(us, vs, ends)
    while len(pieces) > MAX_PIECES:
        us, vs = us[::2], vs[::2]
        pieces = _merged(us, vs, ends)
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
            for (i, j, attractor), k, m in pieces
        ]
    )


def _merged(
    us: list[float], vs: list[float], ends: dict[tuple[float, float], int]
) -> list[tuple[tuple[int, int, int], int, int]]:
    """Lists rectangles: first and last column with the attractor, first row, last row."""
    done: list[tuple[tuple[int, int, int], int, int]] = []
    open_runs: dict[tuple[int, int, int], int] = {}
    for k, v in enumerate(vs):
        row = [ends.get((u, v)) for u in us]
        runs = {}
        for attractor, group in groupby(range(len(us)), row.__getitem__):
            columns = list(group)
            if attractor is not None:
                run = (columns[0], columns[-1], attractor)
                runs[run] = open_runs.get(run, k)
        done += [(run, first, k - 1) for run, first in open_runs.items() if run not in runs]
        open_runs = runs
    return done + [(run, first, len(vs) - 1) for run, first in open_runs.items()]


def _spacing(places: list[float]) -> float:
    return min((b - a for a, b in pairwise(places)), default=1.0)
