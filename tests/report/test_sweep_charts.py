"""A sweep's charts: what is counted, what is pooled, and what a chart may draw."""

import json
from itertools import combinations

import polars as pl
import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.quantity import Quantity
from mnemoscope.base.stats import wilson
from mnemoscope.report.sweep import sweep_charts, write_sweep_charts
from mnemoscope.report.sweep.factors import read_factors
from mnemoscope.report.sweep.runs import MAX_RUNS, estimated, read_runs, representatives, with_links

from .example_sweep import (
    ACTIVATIONS,
    DEPTHS,
    EXAMPLES,
    FACTORS,
    QUANTITIES,
    axes,
    sweep_rows,
)


def runs(*rows):
    """A table of `(depth, status, stored)` with n = 4, keys and seeds in order."""
    return pl.LazyFrame(
        [
            {"key": f"{place:032x}", "seed": place, "depth": depth, "status": status, "n": 4,
             "stored": stored}
            for place, (depth, status, stored) in enumerate(rows)
        ],
        schema={"key": pl.String, "seed": pl.Int64, "depth": pl.Int64, "status": pl.String,
                "n": pl.Int64, "stored": pl.Int64},
    )  # fmt: skip


def marks(chart):
    """All rows that a chart carries."""
    return [row for rows in chart["datasets"].values() for row in rows]


def drawn(table, *names):
    """The charts by name, as dictionaries."""
    return {name: chart.to_dict() for name, chart in
            sweep_charts(table, axes(*names), QUANTITIES).items()}  # fmt: skip


def read(table, *names):
    """The runs, and the estimates of a quantity by factors."""
    runs = read_runs(table, axes(*names), QUANTITIES)
    factors = {factor.name: factor for factor in runs.factors}

    def estimate(quantity, *by):
        (one,) = runs.named(quantity)
        return estimated(runs.by(*(factors[name] for name in by)), one)

    return runs, estimate


def test_each_run_is_one_observation_with_its_own_share():
    table = runs((1, "interpolated", 4), (1, "interpolated", 2), (1, "interpolated", 0))
    (row,) = read(table, "depth")[1]("stored").to_dicts()
    low, high = wilson(1.5, 3)  # the shares 1, 1/2 and 0 add up to 3/2
    assert row["rate"] == pytest.approx(0.5)
    assert row["runs"] == 3
    assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))


@pytest.mark.parametrize("status", ["not_interpolated", "diverged"])
def test_only_runs_that_interpolated_count_for_stored_examples(status):
    table = runs((1, "interpolated", 4), (1, status, 0), (2, status, 4), (3, "interpolated", 1))
    pool = read(table, "depth")[1]("stored", "depth")
    assert pool["rate"].to_list() == [1.0, None, 0.25]
    assert pool["low"].null_count() == 1
    assert pool["lost"].to_list() == [1, 1, 0]


@pytest.mark.parametrize("name", ["spurious", "generalized"])
def test_the_other_shares_count_every_run_that_did_not_diverge(name):
    count, total = {"spurious": ("spurious", "starts"),
                    "generalized": ("generalized", "held_out")}[name]  # fmt: skip
    table = runs(*[(1, s, 0) for s in ("interpolated", "not_interpolated", "diverged")])
    table = table.with_columns(pl.Series(count, [1, 3, 9]), pl.Series(total, [10, 10, 10]))
    (row,) = read(table)[1](name).to_dicts()
    assert (row["rate"], row["runs"]) == (pytest.approx(0.2), 2)


def test_the_run_that_stands_for_a_setting_has_the_median_share_and_the_lowest_seed():
    good = "interpolated"
    table = runs(
        (1, good, 4), (1, good, 2), (1, good, 0), (1, good, 2), (1, "diverged", 2),
        (2, "not_interpolated", 4), (2, "diverged", None),
    )  # fmt: skip
    picked = representatives(read(table, "depth")[0])
    assert [int(key, 16) for key in picked["key"]] == [1, 5]


def test_every_cell_leads_to_a_run_that_is_listed():
    plain, _ = read(sweep_rows().lazy(), *FACTORS)
    linked = with_links(plain)
    assert linked.chosen is not None
    anchors = {"#run-" + key for key in linked.chosen["key"]}
    for count in (1, 2, 3):
        for factors in combinations(plain.factors, count):
            pool = linked.by(*factors)
            assert set(pool["href"]) <= anchors
            assert pool.height == plain.by(*factors).height


def test_more_settings_than_can_be_listed_are_cut_always_in_the_same_way():
    table = runs(*((depth, "interpolated", 1) for depth in range(25)))
    table = table.join(pl.LazyFrame({"lr": [k / 10 for k in range(25)]}), how="cross")
    table = table.with_columns(key=pl.concat_str("key", pl.col("lr").cast(pl.String)))
    picked = representatives(read(table, "depth", "lr")[0])
    assert picked.height == MAX_RUNS < 625
    assert picked.equals(representatives(read(table.reverse(), "depth", "lr")[0]))


def test_every_chart_is_strict_json_and_leads_nowhere():
    charts = drawn(sweep_rows().lazy(), *FACTORS)
    happening = ["what-happens", "map-stored", "map-spurious", "map-generalized"]
    assert list(charts)[:5] == [*happening, "what-happens-panels"]
    assert {"stored-depth-n", "contractive-n-activation", "interpolated-lr-activation"} <= {*charts}
    assert {"curve-depth-by-activation", "curve-n-by-depth", "multiples"} <= {*charts}
    assert not any(name.startswith("curve-activation") for name in charts)
    for chart in charts.values():
        text = json.dumps(chart, allow_nan=False)
        assert len(text) < 60_000
        assert '"href"' not in text


def test_a_cell_without_a_run_that_interpolated_is_a_cross_and_not_a_zero():
    chart = drawn(sweep_rows().lazy(), *FACTORS)["stored-depth-n"]
    (row,) = [row for row in marks(chart) if row["x"] == "2" and row["y"] == "1024"]
    assert (row["rate"], row["low"], row["runs"]) == (None, None, 0)
    assert row["lost"] == 11 * len(ACTIVATIONS) * 3
    filled, crosses, numbers = chart["layer"]
    assert filled["transform"] == [{"filter": "isValid(datum.rate)"}]
    assert (crosses["mark"]["type"], crosses["mark"]["text"]) == ("text", "×")
    assert crosses["transform"] == [{"filter": "!isValid(datum.rate)"}]
    assert numbers["transform"][0] == {"filter": "isValid(datum.rate)"}
    assert len(marks(chart)) == len(DEPTHS) * len(EXAMPLES)


@pytest.mark.parametrize(("columns", "numbered"), [(8, True), (9, False)])
def test_cells_that_are_wide_enough_tell_their_share(columns, numbered):
    table = runs(*((depth, "interpolated", depth % 4) for depth in range(columns)))
    table = table.join(pl.LazyFrame({"width": [8, 16]}), how="cross")
    chart = drawn(table, "depth", "width")["stored-depth-width"]
    texts = [layer for layer in chart["layer"] if "text" in layer["encoding"]]
    assert len(texts) == numbered
    assert ("in percent" in chart["title"]) == numbered


def test_numbers_grow_upwards_and_names_are_read_downwards():
    charts = drawn(sweep_rows(seeds=2).lazy(), *FACTORS)
    upwards = charts["stored-depth-n"]["layer"][0]["encoding"]["y"]["sort"]
    assert upwards == [str(n) for n in reversed(EXAMPLES)]
    downwards = charts["stored-depth-activation"]["layer"][0]["encoding"]["y"]["sort"]
    assert downwards == sorted(ACTIVATIONS)


def test_every_panel_stands_under_its_own_heading():
    """Vega lays panels out one after the other, and would close the gap of a missing one."""
    good, bad = "interpolated", "not_interpolated"
    table = runs((1, good, 1), (2, good, 2), (3, bad, 0))
    table = table.join(pl.LazyFrame({"width": [8, 16]}), how="cross")
    table = table.join(pl.LazyFrame({"activation": ["relu", "sin", "tanh"]}), how="cross")
    table = table.filter((pl.col("activation") != "sin") | (pl.col("depth") > 1))
    chart = drawn(table, "width", "depth", "activation")["multiples"]
    panels = {(row["column"], row["row"]): row["rate"] for row in marks(chart)}
    assert set(panels) == {(d, a) for d in "123" for a in ("relu", "sin", "tanh")}
    empty = {panel for panel, rate in panels.items() if rate is None}
    assert empty == {("1", "sin"), *(("3", a) for a in ("relu", "sin", "tanh"))}


@pytest.mark.parametrize(("lines", "bands"), [(4, True), (5, False)])
def test_bands_that_cannot_be_distinguished_are_not_drawn(lines, bands):
    table = runs((1, "interpolated", 1), (2, "interpolated", 2))
    table = table.join(pl.LazyFrame({"width": range(lines)}), how="cross")
    chart = drawn(table, "depth", "width")["curve-depth-by-width"]
    assert ("area" in [layer["mark"]["type"] for layer in chart["layer"]]) == bands


def test_the_ticks_of_a_curve_are_written_as_the_levels_of_a_map():
    rates = pl.LazyFrame({"lr": [1.5e-4, 0.001, 1.0]})
    table = runs((1, "interpolated", 1), (2, "interpolated", 2)).join(rates, how="cross")
    chart = drawn(table, "lr", "depth")["curve-lr-by-depth"]
    axis = chart["layer"][0]["encoding"]["x"]["axis"]
    labels, _, _ = axis["labelExpr"].partition("[indexof(")
    (factor,), _ = read_factors(rates, axes("lr"))
    assert tuple(json.loads(labels)) == factor.labels
    assert axis["values"] == list(factor.positions)


def test_the_largest_share_names_a_cell_unless_it_is_below_one_half():
    def cell(depth, stored, spurious, width=8):
        return {"key": str(depth), "seed": 0, "status": "interpolated", "depth": depth,
                "width": width, "n": 100, "stored": stored, "starts": 100,
                "spurious": spurious}  # fmt: skip

    table = pl.LazyFrame([cell(1, 90, 60), cell(2, 10, 60), cell(3, 50, 50), cell(4, 49, 49),
                          cell(5, 0, 0), cell(1, 0, 0, width=9)])  # fmt: skip
    cells = {
        row["x"]: row
        for row in marks(drawn(table, "depth", "width")["what-happens"])
        if row["y"] == "8"
    }
    what = {x: (row["what"], row["rate"]) for x, row in cells.items()}
    assert what == {"1": ("stored", 0.9), "2": ("spurious", 0.6), "3": ("stored", 0.5),
                    "4": ("none of them", 0.49), "5": ("none of them", 0.0)}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"factors": []}, []),
        ({"factors": ["depth"]}, ["shares"]),
        ({"factors": ["activation"]}, ["shares"]),
        ({"factors": ["depth", "none_such"]}, ["shares"]),
        ({"drop": ["stored", "spurious", "generalized", "contractive"],
          "factors": ["depth", "activation"]},
         ["interpolated-depth-activation", "curve-depth-by-activation", "multiples"]),
        ({"rows": 0, "factors": ["depth", "n"]}, []),
        ({"rows": 1, "factors": ["depth", "n"]}, []),
    ],
)  # fmt: skip
def test_only_what_there_is_data_for_is_drawn(change, names):
    table = sweep_rows(seeds=2).drop(change.get("drop", [])).head(change.get("rows", 10_000))
    assert list(drawn(table.lazy(), *change["factors"])) == names


def test_a_table_with_no_columns_has_no_charts():
    assert drawn(pl.LazyFrame(), "depth") == {}


@pytest.mark.parametrize(("format", "begin"), [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_charts_are_written_as_files(tmp_path, format, begin):
    table = sweep_rows(activations=("tanh",), rates=(1e-3,), seeds=2).lazy()
    paths = write_sweep_charts(
        table, axes(*FACTORS), QUANTITIES, tmp_path / "charts", format=format
    )
    assert len(paths) == len(set(paths)) == 4 + 3 + 2 + 1
    assert all(path.read_bytes().startswith(begin) for path in paths)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(MnemoscopeError, match=r"'bmp'.*svg"):
        write_sweep_charts(sweep_rows(seeds=1).lazy(), axes(*FACTORS), QUANTITIES, tmp_path,
                           format="bmp")  # fmt: skip


def test_a_chart_has_a_name_that_a_file_can_have():
    table = runs((1, "interpolated", 1), (2, "interpolated", 2)).with_columns(
        (pl.col("depth") * 2.0).alias("a/b")
    )
    quantities = [Quantity("a/b", "number", "a by b")]
    assert "a_b-over-depth" in sweep_charts(table, axes("depth"), quantities)


def test_a_share_that_no_run_counts_for_has_no_curves():
    table = runs((1, "not_interpolated", 1), (2, "not_interpolated", 2))
    charts = drawn(table.with_columns(width="depth"), "depth", "width")
    assert not any(name.startswith("curve") or name == "multiples" for name in charts)
    assert "interpolated-depth-width" in charts
