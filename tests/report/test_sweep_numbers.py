"""The measured quantities: which are drawn, which runs count, which intervals they have."""

import math
import re

import polars as pl
import pytest

from mnemoscope.base.quantity import Quantity
from mnemoscope.base.stats import wilson
from mnemoscope.report.sweep import sweep_charts, write_sweep_page, write_sweep_settings
from mnemoscope.report.sweep.channels import vertical_axis
from mnemoscope.report.sweep.runs import estimated, is_share, marks_of, measured, read_runs
from mnemoscope.report.sweep.sections import MAX_CHARTS, chart_sections
from mnemoscope.report.sweep.tables import setting_table, settings_frame, value_table

from .example_sweep import QUANTITIES, axes

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


def read(table, *names, quantities=QUANTITIES):
    return read_runs(table, axes(*names), quantities)


def estimates(table, name="sharpness", *by):
    """The estimates of a quantity by factors, a dictionary for each combination of levels."""
    runs = read(table, "depth", "width")
    (one,) = runs.named(name)
    factors = {factor.name: factor for factor in runs.factors}
    return estimated(runs.by(*(factors[name] for name in by)), one).to_dicts()


def mean_of(table, name="sharpness"):
    (row,) = estimates(table, name)
    return row["rate"], row["runs"]


def test_the_interval_of_a_mean_is_students():
    table = runs((1, 8, GOOD, 1.0), (1, 8, GOOD, 2.0), (2, 8, GOOD, 3.0), (2, 8, GOOD, 6.0))
    (row,) = estimates(table)
    # m = 3, s² = (4 + 1 + 0 + 9) / 3, and Student's 0.975 quantile of 3 degrees is 3.18245.
    half = 3.18245 * math.sqrt(14 / 3 / 4)
    assert (row["rate"], row["runs"]) == (pytest.approx(3), 4)
    assert (row["low"], row["high"]) == pytest.approx((3 - half, 3 + half), rel=1e-5)
    # Of two runs, 1 and 2: m = 3/2, s = 1/√2, and the quantile of one degree is 12.7062.
    first, _ = estimates(table, "sharpness", "depth")
    assert (first["low"], first["high"]) == pytest.approx((1.5 - 6.3531, 1.5 + 6.3531), rel=1e-5)


def test_one_run_has_a_mean_and_no_interval_and_none_has_neither():
    table = runs((1, 8, GOOD, 5.0), (2, 8, BAD, 7.0))
    one, none = estimates(table, "sharpness", "depth")
    assert (one["rate"], one["low"], one["high"], one["runs"]) == (5.0, None, None, 1)
    assert (none["rate"], none["low"], none["high"], none["runs"]) == (None, None, None, 0)


def test_means_and_deviations_do_not_cancel():
    values = [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3]
    rows = [(depth, 8, GOOD, value) for depth, value in zip((1, 1, 1, 2), values, strict=True)]
    (row,) = estimates(runs(*rows))
    assert row["rate"] == pytest.approx(1e9 + 1.5, rel=1e-15)
    assert row["deviation:sharpness"] == pytest.approx(math.sqrt(5 / 3))


def test_only_runs_that_interpolated_count_for_a_function_of_the_users_own():
    table = runs((1, 8, GOOD, 2.0), (1, 8, BAD, 100.0), (1, 8, "diverged", 100.0))
    assert mean_of(table) == (2.0, 1)


def test_numbers_of_fresh_inputs_count_every_run_that_did_not_diverge():
    table = runs((1, 8, GOOD, 2.0), (1, 8, BAD, 4.0), (1, 8, "diverged", 100.0))
    assert mean_of(table.rename({"sharpness": "held_out_error"}), "held_out_error") == (3.0, 2)


@pytest.mark.parametrize("odd", [math.nan, math.inf, None])
def test_what_is_not_finite_does_not_count(odd):
    assert mean_of(runs((1, 8, GOOD, 2.0), (1, 8, GOOD, odd))) == (2.0, 1)


def test_quantities_are_drawn_in_the_given_order_after_the_headline_shares():
    columns = ("loss", "sharp", "held_out_error", "spectral_radius", "stored", "n", "text")
    given = [Quantity("sharp", "number", "sharp"), Quantity("text", "text", "a text"),
             Quantity("spectral_radius", "number", "spectral radius"), *QUANTITIES]  # fmt: skip
    names = [one.name for one in measured(given, columns)]
    assert names == ["stored", "interpolated", "sharp", "spectral_radius", "held_out_error"]


def test_totals_and_counts_that_make_a_share_are_not_drawn_as_numbers():
    columns = ("n", "trials", "recalled", "audit_stored_count", "audit_stored_total",
               "audit_attractors", "audit_interpolated")  # fmt: skip
    audited = [Quantity("audit_stored", "rate", "stored"),
               Quantity("audit_attractors", "count", "attractors"),
               Quantity("audit_interpolated", "truth", "interpolated")]  # fmt: skip
    found = {one.name: is_share(one) for one in measured([*QUANTITIES, *audited], columns)}
    assert found == {"recalled": True, "interpolated": True, "audit_stored": True,
                     "audit_attractors": False, "audit_interpolated": True}  # fmt: skip


def test_recall_is_a_share_of_trials_of_runs_that_interpolated():
    table = runs((1, 8, GOOD, 0.0), (1, 8, GOOD, 0.0), (1, 8, BAD, 0.0)).with_columns(
        trials=pl.lit(10), recalled=pl.Series([10, 5, 0])
    )
    (row,) = estimates(table, "recalled")
    low, high = wilson(1.5, 2)
    assert (row["rate"], row["runs"]) == (pytest.approx(0.75), 2)
    assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))


def grid(statuses=(GOOD,), **more):
    rows = [(d, w, status, float(d * w)) for d in (1, 2, 4) for w in (8, 16) for status in statuses]
    return runs(*rows, **more)


def drawn(table, *names):
    return {name: chart.to_dict() for name, chart in
            sweep_charts(table, axes(*names), QUANTITIES).items()}  # fmt: skip


def test_a_number_is_drawn_against_each_factor_and_over_each_pair():
    charts = drawn(grid(), "depth", "width")
    names = {name for name in charts if name.startswith("sharpness")}
    assert names == {"sharpness-over-depth-by-width", "sharpness-over-width-by-depth",
                     "sharpness-depth-width"}  # fmt: skip


def test_points_over_names_stand_side_by_side():
    table = grid().with_columns(activation=pl.Series(["relu", "tanh"] * 3))
    chart = drawn(table, "depth", "activation")["sharpness-over-activation-by-depth"]
    for layer in chart["layer"]:
        assert layer["encoding"]["xOffset"] == {
            "field": "colour", "sort": ["1", "2", "4"], "type": "nominal"
        }  # fmt: skip


def test_what_has_no_chart_is_named_with_why():
    more = [f"more_{k}" for k in range(MAX_CHARTS)]
    table = grid(same=pl.lit(3.0), none=pl.lit(None, pl.Float64)).with_columns(
        pl.col("sharpness").alias(name) for name in more
    )
    numbers = [Quantity(name, "number", name) for name in ("same", "none", *more)]
    found = read(table, "depth", "width", quantities=[*QUANTITIES, *numbers])
    (section,) = (one for one in chart_sections(found) if one.name == "measured")
    views = list(section.views)
    assert views[0].quantities[0].name == "sharpness"
    assert len(views) <= MAX_CHARTS
    (undrawn,) = (content for kind, content in section.parts if kind == "undrawn")
    beyond, same, none = undrawn.split("; ")
    assert same.endswith(" same")
    assert none.endswith(" none")
    drawn_ones = {view.quantities[0].name for view in views}
    assert len(drawn_ones) + sum(name in beyond.replace(",", "").split() for name in more) == (
        1 + MAX_CHARTS
    )


def vertical(*values):
    rows = [(place, 8, GOOD, value + odd) for place, value in enumerate(values)
            for odd in (0.0, value / 10)]  # fmt: skip
    found = read(runs(*rows), "depth")
    (sharpness,) = found.named("sharpness")
    marks = marks_of(found, sharpness, {"x": found.factors[0]})
    chart = drawn(runs(*rows), "depth")["sharpness-over-depth"]
    (data,) = chart["datasets"].values()
    return vertical_axis(sharpness, marks)[0].to_dict(), data


@pytest.mark.parametrize(
    ("values", "kind"),
    [((1.0, 100.0), "linear"), ((1.0, 101.0), "log"), ((-1.0, 500.0), "linear")],
    ids=["two decades", "more", "not all positive"],
)
def test_positive_means_over_more_than_two_decades_are_drawn_in_ratios(values, kind):
    scale, marks = vertical(*values)
    assert (scale.get("type", "linear") == "log") == (kind == "log")
    low, high = scale["domain"]
    # Everything that is drawn is within the axis, and every mean is.
    slack = 1e-6 * abs(high)
    for name in ("foot", "rate", "top"):
        for mark in marks:
            assert low - slack <= mark[name] <= high + slack
    assert low > 0 or kind == "linear"


def test_what_differs_by_rounding_alone_does_not_fill_the_axis():
    rows = [(1, 8, GOOD, 0.3), (2, 8, GOOD, 0.1 + 0.2), (4, 8, GOOD, 0.3)]
    found = read(runs(*rows), "depth")
    (sharpness,) = found.named("sharpness")
    marks = marks_of(found, sharpness, {"x": found.factors[0]})
    scale = vertical_axis(sharpness, marks)[0].to_dict()
    assert scale["domain"] == pytest.approx([0.15, 0.45])
    assert not any(name.startswith("sharpness") for name in drawn(runs(*rows), "depth"))


@pytest.mark.parametrize(("good", "few"), [(4, None), (3, True)])
def test_a_mark_of_fewer_than_80_percent_of_the_runs_is_distinguished(good, few):
    statuses = [GOOD] * good + [BAD] * (5 - good)
    table = grid(statuses, n=pl.lit(4), stored=pl.lit(2))
    charts = drawn(table, "depth", "width")
    (rows,) = charts["stored-depth-width"]["datasets"].values()
    assert {row.get("few") for row in rows} == {few}
    assert {(row["runs"], row["all_runs"]) for row in rows} == {(good, 5)}
    titled = ("stored-depth-width", "curve-depth-by-width", "map-stored", "multiples")
    titles = [str(charts[name].get("title")) for name in titled]
    assert all(("fewer than 80%" in title) == bool(few) for title in titles)
    hollow = [layer for layer in charts["curve-depth-by-width"]["layer"]
              if layer["mark"].get("filled") is False]  # fmt: skip
    assert len(hollow) == bool(few)


def test_the_settings_are_reported_for_all_runs_for_each_value_and_for_each_combination(tmp_path):
    table = grid([GOOD, GOOD, BAD], n=pl.lit(4), stored=pl.lit(2))
    message = settings_frame(read(table, "depth", "width")).filter(of="stored")
    assert message.height == 1 + 3 + 2 + 6
    (row,) = message.filter(depth="2", width="16").to_dicts()
    low, high = (float(end) for end in wilson(1, 2))
    assert (row["runs"], row["count"], row["not_interpolated"], row["diverged"]) == (3, 2, 1, 0)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.5, low, high))
    assert message.filter(depth="all", width="all")["runs"].to_list() == [18]
    csv = write_sweep_settings(table, axes("depth", "width"), QUANTITIES, tmp_path / "a.csv")
    path = tmp_path / "a.parquet"
    parquet = write_sweep_settings(table, axes("depth", "width"), QUANTITIES, path)
    assert csv.read_text().startswith("depth,width,of,runs,count,not_interpolated,diverged,value,")
    assert pl.read_parquet(parquet).height == len(csv.read_text().splitlines()) - 1


def test_the_page_answers_in_numbers(tmp_path):
    table = grid([GOOD, GOOD, BAD], n=pl.lit(4), stored=pl.lit(2))
    found = read(table, "depth", "width")
    values = value_table(found)
    assert [row[:2] for row in values.rows] == [
        ("depth", "1"), ("depth", "2"), ("depth", "4"), ("width", "8"), ("width", "16"),
    ]  # fmt: skip
    row = dict(zip((head for head, _ in values.heads), values.rows[0], strict=True))
    assert (row["runs"], row["did not interpolate"]) == ("6", "2")
    assert row["stored share"] == ("50%*", "15% to 85%, of 4")
    assert "sharpness" in row
    assert len(setting_table(found).rows) == 6
    page = write_sweep_page(
        table, tmp_path / "a.html", axes=axes("depth", "width"), quantities=QUANTITIES,
        about={"name": "a", "about": "", "provenance": {"store": "here"}}, planned=18,
        failures=[{"reason": "a note that is broken", "runs": 0}],
    ).read_text()  # fmt: skip
    assert "50%*<small>15% to 85%, of 4</small>" in page
    assert "<h3>Sharpness</h3>" in page
    assert "mnemoscope sweep report here --settings FILE" in page
    assert re.search("a note that is broken</td><td[^>]*>–</td>", page)
