"""Figures as plain data are drawn: scales, colours, intervals, panels, and the line of theory."""

import polars as pl
import pytest

from mnemoscope.plots import Axis, Figure, Reference
from mnemoscope.plots.draw import draw
from mnemoscope.plots.theme import COLOURS

DATA = pl.DataFrame(
    {
        "width": [2, 4, 2, 4],
        "share": [0.5, 1.0, 0.0, 0.25],
        "share_low": [0.3, 0.8, 0.0, 0.1],
        "share_high": [0.7, 1.0, 0.2, 0.4],
        "runs": [3] * 4,
        "count": [5, 10, 0, 5],
        "total": [10, 10, 10, 20],
        "bound": [0.9, 0.9, 0.1, 0.3],
        "kind": ["b", "b", "a", "a"],
        "hidden": [1, 2, 3, 4],
    }
)
X = Axis("width", "width", "log2")
Y = Axis("share", "stored", "share")


def spec(**fields):
    return draw(Figure(DATA, **{"x": X, "y": Y, **fields})).to_dict()


def marks(drawn):
    """The layers by their mark."""
    layers = drawn.get("spec", drawn)["layer"]
    return [(layer["mark"]["type"], layer.get("encoding", {})) for layer in layers]


def test_a_chart_carries_what_it_shows_and_no_more():
    drawn = spec(by="kind", tooltip=("count",))
    (rows,) = drawn["datasets"].values()
    assert set(rows[0]) == {"width", "share", "kind", "count"}
    ((mark, encoding),) = marks(drawn)
    assert mark == "point"
    assert encoding["x"]["scale"] == {"type": "log", "base": 2}
    assert (encoding["x"]["title"], encoding["y"]["title"]) == ("width", "stored")
    assert encoding["y"]["scale"] == {"domain": [0, 1]}
    assert encoding["y"]["axis"]["format"] == "%"


def test_colours_are_those_of_what_is_meant():
    ((_, encoding),) = marks(spec(by="kind", colours={"b": "stored", "a": "spurious"}))
    assert encoding["color"]["scale"] == {
        "domain": ["b", "a"],
        "range": [COLOURS["stored"], COLOURS["spurious"]],
    }


def test_cells_show_a_share_over_two_categories_and_outline_some():
    data = DATA.with_columns(outlined=pl.col("share") == 1)
    places = {"x": Axis("width", "width", "category"), "y": Axis("kind", "", "category")}
    drawn = draw(Figure(data, **places, cells=Y, outline="outlined")).to_dict()
    (rows,) = drawn["datasets"].values()
    assert [row["outlined"] for row in rows] == [False, True, False, False]
    (cell, filled), (outline, _), (text, shown) = marks(drawn)
    assert (cell, outline, text) == ("rect", "rect", "text")
    assert filled["opacity"]["field"] == shown["text"]["field"] == "share"
    assert drawn["layer"][1]["transform"] == [{"filter": "datum.outlined"}]
    assert {tip["field"] for tip in filled["tooltip"]} >= {"share_low", "runs", "count", "total"}


def test_intervals_are_along_the_axis_of_the_quantity():
    (rule, encoding), _ = marks(spec(interval=True))
    assert rule == "rule"
    assert (encoding["y"]["field"], encoding["y2"]["field"]) == ("share_low", "share_high")
    rows, kinds = Axis("share", "stored", "share"), Axis("kind", "", "category")
    (_, encoding), (_, points) = marks(spec(x=rows, y=kinds, interval=True))
    assert (encoding["x"]["field"], encoding["x2"]["field"]) == ("share_low", "share_high")
    titles = [entry["title"] for entry in points["tooltip"]]
    assert titles[-5:] == ["networks", "count", "of", "95% from", "to"]


@pytest.mark.parametrize(
    ("theory", "channel", "value"),
    [
        (Reference(y=0.5), "y", {"field": "share"}),
        (Reference(x=3), "x", {"field": "width"}),
        (Reference(y="bound"), "y", {"aggregate": "mean", "field": "bound"}),
        (Reference(diagonal=True), "y", {"field": "share"}),
    ],
)
def test_theory_is_a_dashed_line(theory, channel, value):
    drawn = spec(theory=theory)
    *_, line = drawn["layer"]
    assert line["mark"]["strokeDash"] == [4, 3]
    assert value.items() <= line["encoding"][channel].items()
    assert len(marks(drawn)) == 2


@pytest.mark.parametrize("line", ["values", "mean", "median"])
def test_lines_join_values_or_their_summary(line):
    (mark, encoding), _ = marks(spec(line=line, by="kind"))
    assert mark == "line"
    assert encoding["y"].get("aggregate") == (None if line == "values" else line)


def test_panels_are_in_the_order_of_the_table():
    drawn = spec(facet="kind", columns=2)
    assert (drawn["facet"]["field"], drawn["facet"]["sort"]) == ("kind", ["b", "a"])
    assert drawn["columns"] == 2
    drawn = spec(row="kind", column="hidden")
    assert set(drawn["facet"]) == {"row", "column"}


def test_categories_move_apart_by_their_offset():
    ((_, encoding),) = marks(spec(x=Axis("kind", "", "category"), offset="hidden"))
    assert encoding["xOffset"]["field"] == "hidden"
    assert encoding["x"]["sort"] is None


def test_an_empty_table_is_drawn():
    assert draw(Figure(DATA.head(0), X, Y, by="kind", interval=True)).to_dict()
