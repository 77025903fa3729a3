"""The factors of a sweep: their levels, ranges of sampled numbers, and columns varied together."""

import itertools
import math

import polars as pl
import pytest
from scipy.stats import qmc

from mnemoscope.report.sweep import Axis, Sampled, sweep_charts
from mnemoscope.report.sweep.factors import MAX_LEVELS, MAX_RANGES, leading_first, read_factors
from mnemoscope.report.sweep.runs import estimated, read_runs, with_links
from mnemoscope.report.sweep.sections import gaps

from .example_sweep import QUANTITIES, axes

OPTIMIZERS = (
    ("gd", 0.1, 10), ("gd", 0.1, 5), ("gd", 0.05, 10), ("gd", 0.05, 5), ("adam", 0.001, 10),
    ("adam", 0.001, 5), ("lbfgs", 1.0, 10), ("newton", None, 10),
)  # fmt: skip
"""As in the shipped design: rates within optimizers, some of which take full batches."""

OPTIMIZER_FACTORS = ("optimizer", "lr", "batch_size")


def factors_of(frame, *names):
    return read_factors(frame, axes(*names))[0]


def levels(frame, *names):
    """The labels of each row by factor."""
    factors = factors_of(frame, *names)
    places = frame.select(factor.level.alias(factor.name) for factor in factors).collect()
    return {f.name: f.label(places[f.name]).to_list() for f in factors}


def test_levels_are_sorted_by_value_and_what_is_missing_comes_last():
    frame = pl.LazyFrame(
        {
            "lr": [0.1, None, 1e-5, math.nan, 10.0],
            "bias": [True, None, False, True, True],
            "kind": ["b", "", None, "a", "–"],
        }
    )
    bias, numeric, kind = factors_of(frame, "bias", "lr", "kind", "none_such")
    assert (numeric.name, numeric.labels) == ("lr", ("1e-5", "0.1", "10", "–"))
    assert bias.labels == ("false", "true", "–")
    assert kind.labels == ('""', "a", "b", "–", "– (2)")
    message = levels(frame, "lr", "kind")
    assert message["lr"] == ["0.1", "–", "1e-5", "–", "10"]
    assert message["kind"] == ["b", '""', "– (2)", "a", "–"]


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ([1 + k / 10 for k in range(100)], False),
        ([10 ** (k / 10) for k in range(-50, 0)], True),
        (list(range(1, 2000)), True),
        (list(range(-500, 500)), False),
        ([0.0, *[10.0**k for k in range(40)]], False),
    ],
)
def test_many_numbers_are_put_into_ranges(values, logarithmic):
    frame = pl.LazyFrame({"lr": values})
    (factor,) = factors_of(frame, "lr")
    assert factor.ranges
    assert 2 <= len(factor.labels) <= MAX_RANGES
    assert len(set(factor.labels)) == len(factor.labels)
    assert list(factor.positions) == sorted(factor.positions)
    places = frame.select(factor.level.alias("at")).collect()["at"]
    assert places.is_sorted()
    assert (places.min(), places.max()) == (0, len(factor.labels) - 1)
    ratio = factor.positions[-1] / factor.positions[-2]
    gap = factor.positions[-1] - factor.positions[-2]
    first = factor.positions[1] - factor.positions[0]
    assert (ratio > 1.2 and gap > 2 * first) if logarithmic else gap == pytest.approx(first, 0.1)


@pytest.mark.parametrize("value", [1, 7, 60, 2000])
def test_a_whole_number_is_in_the_range_that_names_it(value):
    frame = pl.LazyFrame({"n": range(1, 2001)})
    (factor,) = factors_of(frame, "n")
    place = frame.filter(pl.col("n") == value).select(factor.level).collect().item()
    low, *high = factor.labels[place].replace(",", "").split(" to ")
    assert int(low) <= value <= int((high or [low])[0])


def test_rare_texts_are_pooled():
    frame = pl.LazyFrame({"source": ["often"] * 3 + [f"file {k}" for k in range(2 * MAX_LEVELS)]})
    (factor,) = factors_of(frame, "source")
    assert factor.pooled
    assert len(factor.labels) == MAX_LEVELS
    assert factor.labels[-1] == "other"
    assert levels(frame, "source")["source"][:3] == ["often"] * 3
    assert levels(frame, "source")["source"].count("other") == MAX_LEVELS + 2


def test_a_rare_null_has_a_level_of_its_own():
    texts = [f"file {k}" for k in range(2 * MAX_LEVELS)] * 2
    (factor,) = factors_of(pl.LazyFrame({"source": [*texts, None]}), "source")
    assert factor.labels[-2:] == ("other", "–")
    assert levels(pl.LazyFrame({"source": [None, *texts]}), "source")["source"][0] == "–"


def test_texts_are_sorted_by_the_numbers_in_them():
    frame = pl.LazyFrame({"shape": ["1×12×12", "1×8×8", "3×4×4", "1×4×4"]})
    (factor,) = factors_of(frame, "shape")
    assert factor.labels == ("1×4×4", "1×8×8", "1×12×12", "3×4×4")


@pytest.mark.parametrize(
    ("names", "leading"),
    [(["width", "depth"], "depth"), (["activation", "depth"], "depth"), (["lr", "n"], "lr")],
)
def test_factors_with_an_axis_come_first(names, leading):
    table = {"width": [8, None, 8], "depth": [1, 2, 3], "activation": ["a", "b", "c"],
             "lr": [0.1, None, 0.2], "n": [1, 2, 2]}  # fmt: skip
    first, _ = leading_first(read_factors(pl.LazyFrame(table), axes(*names))[1], 3)
    assert first[0].name == leading


def sampled(points, log=True):
    """A Sobol sample of a rate and a width, at two activations each, with its axes."""
    places = qmc.Sobol(2, scramble=False).random(points)
    rows = itertools.product(places.tolist(), ("relu", "tanh"))
    table = pl.LazyFrame(
        [
            {"key": f"{k:032x}", "seed": 0, "status": "interpolated", "n": 4, "stored": 1,
             "lr": 10 ** (3 * a - 4) if log else a, "width": int(8 + 120 * b), "activation": name}
            for k, ((a, b), name) in enumerate(rows)
        ]
    )  # fmt: skip
    rate = Sampled(1e-4 if log else 0, 0.1 if log else 1, log, False, points)
    width = Sampled(8, 128, False, True, points)
    design = [Axis(("lr",), rate), Axis(("width",), width), *axes("activation")]
    return table, design


def sample_factors(points, log=True):
    table, design = sampled(points, log)
    runs = read_runs(table, design, QUANTITIES)
    return runs, {factor.name: factor for factor in runs.factors}


@pytest.mark.parametrize(("points", "ranges"), [(16, 4), (32, 4), (64, 8)])
def test_there_are_no_more_ranges_than_the_points_can_fill(points, ranges):
    runs, factors = sample_factors(points)
    assert len(factors["lr"].labels) == len(factors["width"].labels) == ranges <= MAX_RANGES
    pool = runs.by(factors["lr"], factors["width"])
    assert pool.height >= 0.6 * ranges**2
    assert pool["all_runs"].sum() == 2 * points


def test_a_sample_of_a_few_points_keeps_its_values():
    _, factors = sample_factors(MAX_RANGES)
    assert len(factors["width"].labels) == MAX_RANGES
    assert not factors["width"].ranges


@pytest.mark.parametrize("log", [True, False])
def test_ranges_are_equal_on_the_scale_of_the_sample(log):
    _, factors = sample_factors(16, log)
    first, second, third, *_ = factors["lr"].positions
    expected = first * (third / first) ** 0.5 if log else (first + third) / 2
    assert second == pytest.approx(expected)
    assert factors["lr"].logarithmic == log


def test_every_sampled_run_is_in_the_range_that_its_label_names():
    table, design = sampled(16)
    factor = {f.name: f for f in read_factors(table, design)[0]}["width"]
    found = table.select("width", factor.level.alias("at")).collect()
    for width, place in found.iter_rows():
        low, high = map(int, factor.labels[place].split(" to "))
        assert low <= width <= high


@pytest.mark.parametrize("count", [MAX_RANGES, MAX_RANGES + 1, MAX_LEVELS])
def test_a_list_keeps_its_values(count):
    (factor,) = factors_of(pl.LazyFrame({"depth": range(1, count + 1)}), "depth")
    assert len(factor.labels) == count
    assert not factor.ranges


def sweep(names, points, depths=(2, 4, 8)):
    """A table with a run for each point at each depth, each with a share of its own."""
    pairs = list(itertools.product(points, depths))
    return pl.LazyFrame(
        [
            {"key": f"{place:032x}", "seed": 0, "status": "interpolated",
             "n": len(pairs), "stored": place, "depth": depth,
             **dict(zip(names, point, strict=True))}
            for place, (point, depth) in enumerate(pairs)
        ]
    )  # fmt: skip


def zipped(names, points):
    return read_runs(sweep(names, points), [*axes("depth"), Axis(tuple(names))], QUANTITIES)


def labels_of(runs):
    return {factor.title: factor.labels for factor in runs.factors}


def test_rates_that_belong_to_optimizers_are_named_with_them():
    runs = zipped(OPTIMIZER_FACTORS, OPTIMIZERS)
    assert labels_of(runs)["optimizer, lr"] == (
        "adam, 0.001", "gd, 0.05", "gd, 0.1", "lbfgs, 1", "newton"
    )  # fmt: skip
    assert labels_of(runs)["optimizer"] == ("adam", "gd", "lbfgs", "newton")
    (rate,) = (factor for factor in runs.factors if factor.within)
    assert (rate.name, rate.within, rate.same, rate.has_axis) == ("lr", ("optimizer",), (), False)


def test_a_factor_is_drawn_neither_as_a_map_against_what_it_implies_nor_as_a_line_through_it():
    table = sweep(OPTIMIZER_FACTORS, OPTIMIZERS)
    charts = sweep_charts(table, [*axes("depth"), Axis(OPTIMIZER_FACTORS)], QUANTITIES)
    maps = {name for name in charts if name.startswith("stored-")}
    assert maps == {"stored-depth-batch_size", "stored-depth-optimizer", "stored-depth-lr",
                    "stored-batch_size-optimizer", "stored-batch_size-lr"}  # fmt: skip
    over_rates = {name for name in charts if name.startswith("curve-lr")}
    assert over_rates == {"curve-lr-by-optimizer"}


@pytest.mark.parametrize(
    ("names", "points", "title", "labels", "has_axis"),
    [
        (("lr", "batch_size"), [(2.0, 2), (5.0, 5), (10.0, 10)],
         "lr = batch size", ("2", "5", "10"), True),
        (("lr", "batch_size"), [(0.1, 2), (0.01, 5), (0.001, 10)],
         "lr, batch size", ("0.001, 10", "0.01, 5", "0.1, 2"), True),
        (("shape", "size"), [("1×4×4", 4), ("1×12×12", 12), ("1×8×8", 8)],
         "size, shape", ("4, 1×4×4", "8, 1×8×8", "12, 1×12×12"), True),
        (("lr", "batch_size", "optimizer"), [(0.1, 10, "gd"), (0.001, 2, "adam")],
         "optimizer, lr, batch size", ("adam, 0.001, 2", "gd, 0.1, 10"), False),
        (("kind", "width", "channels"), [("dense", 64, None), ("conv", None, 8)],
         "kind, width, channels", ("conv, 8", "dense, 64"), False),
    ],
    ids=["equal", "two numbers", "a text of the number", "three", "of two kinds"],
)  # fmt: skip
def test_columns_that_imply_each_other_share_an_axis(names, points, title, labels, has_axis):
    runs = zipped(names, points)
    assert labels_of(runs) == {"depth": ("2", "4", "8"), title: labels}
    assert runs.factors[1].has_axis == has_axis
    assert {runs.factors[1].name, *runs.factors[1].same} == set(names)


def test_a_number_that_implies_another_keeps_its_axis():
    runs = zipped(("levels", "width"), [(1, 256), (2, 128), (4, 64), (8, 64)])
    assert labels_of(runs)["levels, width"] == ("1, 256", "2, 128", "4, 64", "8, 64")
    assert [factor.has_axis for factor in runs.factors] == [True] * 3
    apart = {frozenset((x.name, y.name)) for x, y in itertools.combinations(runs.factors, 2)
             if not x.crosses(y)}  # fmt: skip
    assert apart == {frozenset(("levels", "width"))}


@pytest.mark.parametrize(
    "points",
    [list(itertools.product((0.1, 0.2), (8, 16))), [(0.1, 8), (0.1, 16), (0.2, 8), (0.2, 32)]],
    ids=["crossed", "in part"],
)
def test_columns_of_a_zip_that_do_not_imply_each_other_are_drawn_against_each_other(points):
    runs = zipped(("lr", "width"), points)
    assert {factor.title for factor in runs.factors} == {"depth", "lr", "width"}
    assert all(x.crosses(y) for x, y in itertools.combinations(runs.factors, 2))


def test_axes_of_a_design_are_crossed_however_few_runs_are_done():
    table = sweep(("lr", "batch_size"), [(0.1, 2), (0.01, 5), (0.001, 10)])
    runs = read_runs(table, axes("depth", "lr", "batch_size"), QUANTITIES)
    assert [factor.title for factor in runs.factors] == ["depth", "lr", "batch size"]


def test_counts_and_links_are_those_of_the_runs_that_a_label_names():
    table = sweep(OPTIMIZER_FACTORS, OPTIMIZERS)
    runs = with_links(zipped(OPTIMIZER_FACTORS, OPTIMIZERS))
    depths, joined = runs.factors[0], next(f for f in runs.factors if f.name == "lr")
    pool = estimated(runs.by(depths, joined), runs.quantities[0])
    rows = table.collect()
    assert pool.height == 3 * 5
    for row in pool.iter_rows(named=True):
        optimizer, *rate = joined.labels[row[joined.key]].split(", ")
        mine = rows.filter(
            pl.col("optimizer") == optimizer,
            pl.col("lr").eq_missing(pl.lit(float(rate[0]) if rate else None, pl.Float64)),
            pl.col("depth") == int(depths.labels[row[depths.key]]),
        )
        assert row["rate"] == pytest.approx((mine["stored"] / mine["n"]).mean())
        assert row["href"].removeprefix("#run-") in mine["key"]


def test_only_factors_that_are_crossed_lead():
    runs = zipped(("optimizer", "lr"), [("gd", 0.1), ("gd", 0.05), ("adam", 0.001)])
    assert [factor.name for factor in runs.factors] == ["depth", "optimizer", "lr"]
    assert [factor.name for factor in runs.leading] == ["depth", "optimizer"]


def test_combinations_that_were_not_run_are_counted():
    runs = zipped(OPTIMIZER_FACTORS, OPTIMIZERS)
    (gap,) = gaps(runs.factors, runs)
    assert gap.startswith("6 of 8")
    assert "batch size" in gap
    assert "optimizer" in gap


def test_nothing_is_missing_of_what_is_not_to_be_crossed():
    crossed = zipped(("lr", "width"), list(itertools.product((0.1, 0.2), (8, 16))))
    on_one_axis = zipped(("lr", "batch_size"), [(0.1, 2), (0.01, 5), (0.001, 10)])
    for runs in (crossed, on_one_axis, sample_factors(64)[0], sample_factors(8)[0]):
        assert gaps(runs.factors, runs) == []
