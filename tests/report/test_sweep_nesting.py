"""Factors that were varied together: which they are, and on which axis they are drawn."""

import itertools

import polars as pl
import pytest

from mnemoscope.report.sweep import sweep_charts
from mnemoscope.report.sweep.nesting import drawn_tables, gaps, leading
from mnemoscope.report.sweep.runs import representatives, with_links
from mnemoscope.report.sweep.tables import rated, sweep_tables

OPTIMIZERS = (
    ("gd", 0.1, 10), ("gd", 0.1, 5), ("gd", 0.05, 10), ("gd", 0.05, 5), ("adam", 0.001, 10),
    ("adam", 0.001, 5), ("lbfgs", 1.0, 10), ("newton", None, 10),
)  # fmt: skip
"""As in the design that is shipped: rates within optimizers, of which some take full batches."""

OPTIMIZER_FACTORS = ("optimizer", "lr", "batch_size")


def sweep(names, points, depths=(2, 4, 8)):
    """A table with a run for each of the points at each depth, none of a share like another's."""
    pairs = list(itertools.product(points, depths))
    return pl.LazyFrame(
        [
            {"key": f"{place:032x}", "seed": 0, "status": "interpolated",
             "n": len(pairs), "stored": place, "depth": depth,
             **dict(zip(names, point, strict=True))}
            for place, (point, depth) in enumerate(pairs)
        ]
    )  # fmt: skip


def drawn(names, points, **fields):
    return drawn_tables(sweep_tables(sweep(names, points, **fields), ["depth", *names]))


def labels_of(tables):
    return {factor.title: factor.labels for factor in tables.factors}


def test_rates_that_belong_to_optimizers_are_named_with_them():
    tables, (bond,) = drawn(OPTIMIZER_FACTORS, OPTIMIZERS)
    assert labels_of(tables)["optimizer, lr"] == (
        "adam, 0.001", "gd, 0.05", "gd, 0.1", "lbfgs, 1", "newton"
    )  # fmt: skip
    assert labels_of(tables)["optimizer"] == ("adam", "gd", "lbfgs", "newton")
    assert (bond.factor, bond.others, bond.mutual) == ("lr", ("optimizer",), False)


def test_a_factor_is_drawn_neither_as_a_map_against_what_it_tells_nor_as_a_line_through_it():
    charts = sweep_charts(sweep(OPTIMIZER_FACTORS, OPTIMIZERS), ["depth", *OPTIMIZER_FACTORS])
    maps = {name for name in charts if name.startswith("stored-")}
    assert maps == {"stored-depth-batch_size", "stored-depth-optimizer", "stored-depth-lr",
                    "stored-batch_size-optimizer", "stored-batch_size-lr"}  # fmt: skip
    over_rates = {name for name in charts if name.startswith("curve-lr")}
    assert over_rates == {"curve-lr-by-optimizer"}


@pytest.mark.parametrize(
    ("names", "points", "title", "labels", "on_an_axis"),
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
def test_factors_that_tell_each_other_share_an_axis(names, points, title, labels, on_an_axis):
    tables, (bond,) = drawn(names, points)
    assert labels_of(tables) == {"depth": ("2", "4", "8"), title: labels}
    assert tables.factors[1].on_an_axis == on_an_axis
    assert bond.mutual
    assert {bond.factor, *bond.others} == {name.replace("_", " ") for name in names}


def test_a_number_that_tells_another_keeps_its_axis():
    tables, (bond,) = drawn(("levels", "width"), [(1, 256), (2, 128), (4, 64), (8, 64)])
    assert labels_of(tables)["levels, width"] == ("1, 256", "2, 128", "4, 64", "8, 64")
    assert [f.on_an_axis for f in tables.factors] == [True] * 3
    assert (bond.factor, bond.others, bond.mutual) == ("levels", ("width",), False)
    names = {frozenset(names) for names in tables.pools if len(names) == 2}
    assert {pair for pair in names if pair in tables.apart} == {frozenset(("levels", "width"))}


@pytest.mark.parametrize(
    ("names", "points"),
    [
        (("lr", "width"), list(itertools.product((0.1, 0.2), (8, 16)))),
        (("lr", "width"), [(0.1, 8), (0.1, 16), (0.2, 8)]),
        (("lr", "width"), [(0.1234567, 8), (0.7654321, 16)]),
        (("lr", "activation"), [(0.1234567, "a"), (0.7654321, "b"), (0.2345678, "a")]),
        (("lr", "width", "activation"), [(0.1234567, 3, "a"), (0.7654321, 9, "b"),
                                         (0.2345678, 5, "a")]),
        (("width", "n_starts"), [(k, (k * 5) % 13) for k in range(1, 9)]),
    ],
    ids=["crossed", "not yet done", "sampled", "sampled beside names", "sampled with whole numbers",
         "sampled whole numbers"],
)  # fmt: skip
def test_what_was_not_varied_together_is_left_as_it_is(names, points):
    plain = sweep_tables(sweep(names, points), ["depth", *names])
    tables, bonds = drawn_tables(plain)
    assert tables is plain
    assert bonds == []


def test_counts_and_links_are_those_of_the_runs_that_a_label_names():
    table = sweep(OPTIMIZER_FACTORS, OPTIMIZERS)
    tables, _ = drawn_tables(sweep_tables(table, ["depth", *OPTIMIZER_FACTORS]))
    joined = next(factor for factor in tables.factors if factor.name == "lr")
    pools = with_links(tables.pools, representatives(tables))
    pool = rated(pools["depth", "lr"], "stored")
    rows = table.collect()
    assert pool.height == 3 * 5
    for row in pool.iter_rows(named=True):
        optimizer, *rate = joined.labels[row["lr"]].split(", ")
        depth = int(tables.factors[0].labels[row["depth"]])
        mine = rows.filter(
            pl.col("optimizer") == optimizer,
            pl.col("lr").eq_missing(pl.lit(float(rate[0]) if rate else None, pl.Float64)),
            pl.col("depth") == depth,
        )
        assert row["rate"] == pytest.approx((mine["stored"] / mine["n"]).mean())
        assert row["href"].removeprefix("#run-") in mine["key"]


def test_only_factors_that_are_crossed_lead():
    tables, _ = drawn(("optimizer", "lr"), [("gd", 0.1), ("gd", 0.05), ("adam", 0.001)])
    assert [factor.name for factor in tables.factors] == ["depth", "optimizer", "lr"]
    assert [factor.name for factor in leading(tables).factors] == ["depth", "optimizer"]


def test_combinations_that_were_not_run_are_told():
    tables, _ = drawn(OPTIMIZER_FACTORS, OPTIMIZERS)
    (gap,) = gaps(tables)
    assert (gap.factors, gap.combinations, gap.of) == (("batch size", "optimizer"), 6, 8)


@pytest.mark.parametrize(
    ("names", "points"),
    [
        (("lr", "width"), list(itertools.product((0.1, 0.2), (8, 16)))),
        (("lr", "batch_size"), [(0.1, 2), (0.01, 5), (0.001, 10)]),
        (("lr", "width"), [(0.1234567, 8), (0.7654321, 16)]),
    ],
    ids=["crossed", "on one axis", "sampled"],
)
def test_nothing_is_missing_of_what_was_never_to_be_crossed(names, points):
    tables, _ = drawn(names, points)
    assert gaps(tables) == []
