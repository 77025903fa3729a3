"""What was measured beside the headline shares: which columns, which runs, which intervals."""

import math

import polars as pl
import pytest

from mnemoscope.base.stats import wilson
from mnemoscope.report.sweep import sweep_charts, write_sweep_page, write_sweep_settings
from mnemoscope.report.sweep.curves import upright
from mnemoscope.report.sweep.marks import estimated, share_marks
from mnemoscope.report.sweep.means import averaged
from mnemoscope.report.sweep.measured import KNOWN, TABLE, Number, measured_quantities
from mnemoscope.report.sweep.number_charts import MOST_CHARTS, number_charts
from mnemoscope.report.sweep.settings import answers, settings_table
from mnemoscope.report.sweep.shares import COUNTED
from mnemoscope.report.sweep.tables import pooled_counts, sweep_tables
from mnemoscope.sweep.columns import ALWAYS
from mnemoscope.sweep.measurements import measurements

GOOD, BAD = "interpolated", "not_interpolated"


def runs(*rows, **more):
    """A table of `(depth, width, status, sharpness)` with keys and seeds in order."""
    table = pl.LazyFrame(
        [(f"{place:032x}", place, *row) for place, row in enumerate(rows)],
        schema={"key": pl.String, "seed": pl.Int64, "depth": pl.Int64, "width": pl.Int64,
                "status": pl.String, "sharpness": pl.Float64},
        orient="row",
    )  # fmt: skip
    return table.with_columns(**more)


def quantities(**dtypes):
    return measured_quantities(pl.Schema(dtypes), ["depth"])


def mean_of(table, name="sharpness"):
    tables = sweep_tables(table, ["depth", "width"])
    (row,) = estimated(tables.overall, tables.measured[name]).to_dicts()
    return row["rate"], row["runs"]


def test_the_interval_of_a_mean_is_students():
    table = runs((1, 8, GOOD, 1.0), (1, 8, GOOD, 2.0), (2, 8, GOOD, 3.0), (2, 8, GOOD, 6.0))
    tables = sweep_tables(table, ["depth"])
    (row,) = averaged(tables.overall, "sharpness").to_dicts()
    # m = 3, s² = (4 + 1 + 0 + 9) / 3, and Student's 0.975 quantile of 3 degrees is 3.18245.
    half = 3.18245 * math.sqrt(14 / 3 / 4)
    assert (row["rate"], row["runs"]) == (pytest.approx(3), 4)
    assert (row["low"], row["high"]) == pytest.approx((3 - half, 3 + half), rel=1e-5)
    # Of two runs, 1 and 2: m = 3/2, s = 1/√2, and the quantile of one degree is 12.7062.
    first, _ = averaged(tables.pools["depth",], "sharpness").to_dicts()
    assert (first["low"], first["high"]) == pytest.approx((1.5 - 6.3531, 1.5 + 6.3531), rel=1e-5)


def test_one_run_has_a_mean_and_no_interval_and_none_has_neither():
    tables = sweep_tables(runs((1, 8, GOOD, 5.0), (2, 8, BAD, 7.0)), ["depth"])
    one, none = averaged(tables.pools["depth",], "sharpness").to_dicts()
    assert (one["rate"], one["low"], one["high"], one["runs"]) == (5.0, None, None, 1)
    assert (none["rate"], none["low"], none["high"], none["runs"]) == (None, None, None, 0)


def test_pooled_means_do_not_cancel():
    values = [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]
    rows = [(depth, 8, GOOD, value) for depth, value in zip((1, 1, 1, 2), values, strict=True)]
    tables = sweep_tables(runs(*rows), ["depth"])
    overall, _ = pooled_counts(tables.settings, ["depth"])
    assert overall["mean:sharpness"].item() == pytest.approx(1e9 + 1.5, rel=1e-15)
    assert overall["square:sharpness"].item() == pytest.approx(5)


def test_only_runs_that_interpolated_count_for_a_function_of_the_users_own():
    table = runs((1, 8, GOOD, 2.0), (1, 8, BAD, 100.0), (1, 8, "diverged", 100.0))
    assert mean_of(table) == (2.0, 1)
    assert mean_of(table.rename({"sharpness": "spectral_radius"}), "spectral_radius") == (2.0, 1)


def test_numbers_of_fresh_inputs_count_every_run_that_did_not_diverge():
    table = runs((1, 8, GOOD, 2.0), (1, 8, BAD, 4.0), (1, 8, "diverged", 100.0))
    assert mean_of(table.rename({"sharpness": "held_out_error"}), "held_out_error") == (3.0, 2)


@pytest.mark.parametrize("odd", [math.nan, math.inf, None])
def test_what_is_not_finite_does_not_count(odd):
    assert mean_of(runs((1, 8, GOOD, 2.0), (1, 8, GOOD, odd))) == (2.0, 1)


def test_the_columns_of_every_table_are_known():
    assert {*ALWAYS} == TABLE
    measured = {c for one in measurements().values() if one.name != "audit" for c in one.columns}
    assert measured - {"picture"} <= {*KNOWN, *COUNTED}


def test_the_users_own_comes_first_and_audits_last():
    numbers = ("audit_loss", "spectral_radius", "sharp_ends", "sharp", "depth", "loss")
    found = quantities(**dict.fromkeys(numbers, pl.Float64), text=pl.String)
    assert list(found) == ["sharp_ends", "sharp", "spectral_radius", "audit_loss"]
    assert [one.own for one in found.values() if isinstance(one, Number)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_counts_that_make_a_share_are_not_drawn_as_numbers():
    found = quantities(stored=pl.Int64, n=pl.Int64, trials=pl.Int64, recalled=pl.Int64,
                       audit_stored_count=pl.Int64, audit_stored_total=pl.Int64,
                       audit_attractors=pl.Int64)  # fmt: skip
    assert list(found) == ["audit_stored", "audit_attractors"]
    assert not isinstance(found["audit_stored"], Number)


def test_recall_is_a_share_of_trials_of_runs_that_interpolated():
    table = runs((1, 8, GOOD, 0.0), (1, 8, GOOD, 0.0), (1, 8, BAD, 0.0)).with_columns(
        trials=pl.lit(10), recalled=pl.Series([10, 5, 0])
    )
    tables = sweep_tables(table, ["depth"])
    (row,) = estimated(tables.overall, tables.shares["recalled"]).to_dicts()
    low, high = wilson(1.5, 2)
    assert (row["rate"], row["runs"]) == (pytest.approx(0.75), 2)
    assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))


def grid(statuses=(GOOD,), **more):
    rows = [(d, w, status, float(d * w)) for d in (1, 2, 4) for w in (8, 16) for status in statuses]
    return runs(*rows, **more)


def test_a_number_is_drawn_against_each_factor_and_over_each_pair():
    charts = sweep_charts(grid(), ["depth", "width"])
    names = {name for name in charts if name.startswith("sharpness")}
    assert names == {"sharpness-over-depth-by-width", "sharpness-over-width-by-depth",
                     "sharpness-depth-width"}  # fmt: skip


def test_points_over_names_stand_side_by_side():
    table = grid().with_columns(activation=pl.Series(["relu", "tanh"] * 3))
    chart = sweep_charts(table, ["depth", "activation"])["sharpness-over-activation-by-depth"]
    for layer in chart.to_dict()["layer"]:
        assert layer["encoding"]["xOffset"] == {
            "field": "colour", "sort": ["1", "2", "4"], "type": "nominal"
        }  # fmt: skip


def test_what_has_no_chart_is_named_with_why():
    table = grid(same=pl.lit(3.0), none=pl.lit(None, pl.Float64))
    many = {f"more_{k}": pl.col("sharpness") + k for k in range(MOST_CHARTS)}
    drawn, undrawn = number_charts(sweep_tables(table.with_columns(**many), ["depth", "width"]))
    assert (undrawn.same, undrawn.empty) == (("same",), ("none",))
    assert [one.quantity.name for one in drawn][:2] == ["sharpness", "more_0"]
    assert sum(len(one.curves) + len(one.maps) for one in drawn) <= MOST_CHARTS
    assert len(drawn) + len(undrawn.beyond) == 1 + MOST_CHARTS


def vertical(*values):
    rows = [(place, 8, GOOD, value + odd) for place, value in enumerate(values)
            for odd in (0.0, value / 10)]  # fmt: skip
    tables = sweep_tables(runs(*rows), ["depth"])
    sharpness = tables.measured["sharpness"]
    marks = share_marks(tables.pools["depth",], sharpness, {"x": tables.factors[0]})
    return upright(marks, sharpness)


@pytest.mark.parametrize(
    ("values", "kind"),
    [((1.0, 100.0), "linear"), ((1.0, 101.0), "log"), ((-1.0, 500.0), "linear")],
    ids=["two decades", "more", "not all positive"],
)
def test_positive_means_over_more_than_two_decades_are_drawn_in_ratios(values, kind):
    marks, up = vertical(*values)
    scale = up.scale.to_dict()
    assert (scale.get("type", "linear") == "log") == (kind == "log")
    low, high = scale["domain"]
    # All that is drawn is within, and every mean is.
    for name in ("foot", "rate", "top"):
        assert marks[name].drop_nulls().is_between(low, high).all()
    assert low > 0 or kind == "linear"


def test_what_differs_by_rounding_alone_does_not_fill_the_axis():
    rows = [(1, 8, GOOD, 0.3), (2, 8, GOOD, 0.1 + 0.2), (4, 8, GOOD, 0.3)]
    tables = sweep_tables(runs(*rows), ["depth"])
    sharpness = tables.measured["sharpness"]
    marks = share_marks(tables.pools["depth",], sharpness, {"x": tables.factors[0]})
    _, up = upright(marks, sharpness)
    assert up.scale.to_dict()["domain"] == pytest.approx([0.15, 0.45])
    assert number_charts(tables)[1].same == ("sharpness",)


@pytest.mark.parametrize(("good", "few"), [(4, None), (3, True)])
def test_a_mark_of_fewer_than_80_percent_of_the_runs_is_told_apart(good, few):
    statuses = [GOOD] * good + [BAD] * (5 - good)
    table = grid(statuses, n=pl.lit(4), stored=pl.lit(2))
    charts = {name: chart.to_dict() for name, chart in
              sweep_charts(table, ["depth", "width"]).items()}  # fmt: skip
    (rows,) = charts["stored-depth-width"]["datasets"].values()
    assert {row.get("few") for row in rows} == {few}
    assert {(row["runs"], row["all_runs"]) for row in rows} == {(good, 5)}
    titled = ("stored-depth-width", "curve-depth-by-width", "what-happens", "multiples")
    titles = [str(charts[name].get("title")) for name in titled]
    assert all(("fewer than 80%" in title) == bool(few) for title in titles)
    hollow = [layer for layer in charts["curve-depth-by-width"]["layer"]
              if layer["mark"].get("filled") is False]  # fmt: skip
    assert len(hollow) == bool(few)


def test_the_settings_are_told_for_all_runs_for_each_value_and_for_each_combination(tmp_path):
    table = grid([GOOD, GOOD, BAD], n=pl.lit(4), stored=pl.lit(2))
    told = settings_table(sweep_tables(table, ["depth", "width"])).filter(of="stored")
    assert told.height == 1 + 3 + 2 + 6
    (row,) = told.filter(depth="2", width="16").to_dicts()
    low, high = (float(end) for end in wilson(1, 2))
    assert (row["runs"], row["count"], row["not_interpolated"], row["diverged"]) == (3, 2, 1, 0)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.5, low, high))
    assert told.filter(depth="all", width="all")["runs"].to_list() == [18]
    csv = write_sweep_settings(table, ["depth", "width"], tmp_path / "a.csv")
    parquet = write_sweep_settings(table, ["depth", "width"], tmp_path / "a.parquet")
    assert csv.read_text().startswith("depth,width,of,runs,count,not_interpolated,diverged,value,")
    assert pl.read_parquet(parquet).height == len(csv.read_text().splitlines()) - 1


def test_the_page_answers_in_numbers(tmp_path):
    table = grid([GOOD, GOOD, BAD], n=pl.lit(4), stored=pl.lit(2))
    found = answers(sweep_tables(table, ["depth", "width"]))
    assert [line.setting for line in found.values] == [
        ("depth", "1"), ("depth", "2"), ("depth", "4"), ("width", "8"), ("width", "16"),
    ]  # fmt: skip
    line = found.values[0]
    assert (line.runs, line.lost) == (6, 2)
    stored = line.cells[found.titles.index("stored share")]
    assert stored is not None
    assert (stored.value, stored.interval, stored.runs, stored.few) == (
        "50%",
        "15% to 85%",
        4,
        True,
    )
    assert len(found.settings) == 6
    page = write_sweep_page(
        table, tmp_path / "a.html", name="a", about="", factors=["depth", "width"], planned=18,
        failures=[{"reason": "a note that is broken", "runs": 0}], provenance={"store": "here"},
    ).read_text()  # fmt: skip
    assert "50%*<small>15% to 85%, of 4</small>" in page
    assert "<h3>sharpness</h3>" in page
    assert "mnemoscope sweep report here --settings FILE" in page
    assert "a note that is broken</th><td>–</td>" in page
