"""Numbers that were sampled: in how many ranges they stand, and that no run is lost."""

import itertools

import polars as pl
import pytest
from scipy.stats import qmc

from mnemoscope.report.sweep.binning import MOST_BINS, binned_tables, in_bins
from mnemoscope.report.sweep.factors import MOST_LEVELS
from mnemoscope.report.sweep.tables import sweep_tables


def sampled(points, log=True):
    """A Sobol sample of a rate and a width, at two activations each."""
    places = qmc.Sobol(2, scramble=False).random(points)
    rows = itertools.product(places.tolist(), ("relu", "tanh"))
    return pl.LazyFrame(
        [
            {"key": f"{k:032x}", "seed": 0, "status": "interpolated", "n": 4, "stored": 1,
             "lr": 10 ** (3 * a - 4) if log else a, "width": int(8 + 120 * b), "activation": name}
            for k, ((a, b), name) in enumerate(rows)
        ]
    )  # fmt: skip


def tables_of(rows, *names):
    tables, bins = binned_tables(sweep_tables(rows, names))
    return {factor.name: factor for factor in tables.factors}, tables, bins


@pytest.mark.parametrize(("points", "ranges"), [(16, 4), (32, 4), (64, 8)])
def test_there_are_no_more_ranges_than_the_points_can_fill(points, ranges):
    factors, tables, _ = tables_of(sampled(points), "lr", "width", "activation")
    assert len(factors["lr"].labels) == len(factors["width"].labels) == ranges <= MOST_BINS
    pool = tables.pools["lr", "width"]
    assert pool.height >= 0.6 * ranges**2
    assert pool["count:runs"].sum() == 2 * points


@pytest.mark.parametrize(("log", "equal"), [(True, "ratio"), (False, "width")])
def test_ranges_are_equal_on_the_scale_of_the_sample(log, equal):
    factors, _, _ = tables_of(sampled(16, log), "lr", "width")
    first, second, *_ = (b / a if equal == "ratio" else b - a
                         for a, b in itertools.pairwise(factors["lr"].edges))  # fmt: skip
    assert first == pytest.approx(second)


def test_every_run_is_in_the_range_that_its_label_tells():
    rows = sampled(16)
    factors, tables, bins = tables_of(rows, "lr", "width")
    plain = sweep_tables(rows, ["lr", "width"])
    levels = in_bins(plain.settings, bins)
    widths = {f.name: f.positions for f in plain.factors}["width"]
    for old, new in zip(plain.settings["width"], levels["width"], strict=True):
        low, high = map(int, factors["width"].labels[new].split(" to "))
        assert low <= widths[old] <= high
    direct = rows.select(factors["width"].level.alias("at")).collect()["at"].value_counts()
    pool = tables.pools["width",]
    assert dict(direct.iter_rows()) == dict(pool.select("width", "count:runs").iter_rows())


@pytest.mark.parametrize("count", [MOST_BINS, MOST_BINS + 1, MOST_LEVELS])
def test_a_list_that_somebody_crossed_keeps_its_values(count):
    rows = pl.LazyFrame({"depth": range(1, count + 1)}).join(
        pl.LazyFrame({"width": range(10, 10 + count)}), how="cross"
    )
    rows = rows.with_row_index("key").with_columns(
        pl.col("key").cast(pl.String), seed=pl.lit(0), status=pl.lit("interpolated")
    )
    plain = sweep_tables(rows, ["depth", "width"])
    tables, bins = binned_tables(plain)
    assert tables is plain
    assert bins == {}
