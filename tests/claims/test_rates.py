"""Rates in tables have their totals and intervals."""

import polars as pl
import pytest

from mnemoscope.base.stats import wilson
from mnemoscope.claims.rates import (
    Counted,
    listed,
    phase_diagram,
    pooled,
    rates_figure,
    shares,
    with_rate,
)
from mnemoscope.plots import Axis
from mnemoscope.plots.draw import draw

FRAME = pl.DataFrame(
    {"kind": ["a", "b", "a", "b"], "hits": [1, None, 3, 0], "of": [2, 2, 4, 0]},
    schema_overrides={"hits": pl.Int64},
)


def test_a_rate_has_an_interval_and_none_where_nothing_was_counted():
    rated = with_rate(FRAME, "hits", "of", "rate")
    low, high = wilson(1, 2)
    assert rated["rate"].to_list() == [0.5, None, 0.75, None]
    assert rated["rate_low"][0] == pytest.approx(float(low))
    assert rated["rate_high"][0] == pytest.approx(float(high))
    assert rated["rate_low"].is_null().to_list() == [False, True, False, True]


def test_groups_are_pooled_by_their_counts():
    rows = pooled(FRAME.filter(pl.col("hits").is_not_null()), ["kind"], "hits", "of", "rate")
    assert rows["kind"].to_list() == ["a", "b"]
    assert rows["rate"].to_list() == [pytest.approx(4 / 6), None]
    assert rows["runs"].to_list() == [2, 1]


def test_networks_are_counted_and_not_their_starts():
    two = pl.DataFrame({"kind": ["a", "a"], "hits": [0, 1000], "of": [1000, 1000]})
    row = pooled(two, ["kind"], "hits", "of", "rate").row(0, named=True)
    low, high = wilson(1, 2)
    assert row["rate"] == 0.5
    assert (row["rate_low"], row["rate_high"]) == pytest.approx((float(low), float(high)))


def test_several_rates_are_one_table_one_list_and_one_figure():
    frame = pl.DataFrame(
        {"depth": [2, 2, 4], "hits": [1, 3, 4], "losses": [1, 0, 0], "of": [4] * 3}
    )
    kinds = {"hit": Counted("hits", "of", "stored"), "lost": Counted("losses", "of", "spurious")}
    table = shares(frame, ["depth"], kinds)
    assert table["what"].to_list() == ["hit", "hit", "lost", "lost"]
    assert table["share"].to_list() == [0.5, 1.0, 0.125, 0.0]
    assert table["runs"].to_list() == [2, 1, 2, 1]
    assert listed(frame, ["depth"], {"hit": kinds["hit"]}) == (
        "depth = 2: hit 50% (4 of 8); depth = 4: hit 100% (4 of 4)"
    )
    figure = rates_figure(frame, kinds, Axis("depth"), "shares", {})
    assert figure.data.equals(table)
    assert figure.colours == {"hit": "stored", "lost": "spurious"}


def test_nothing_to_count_is_an_empty_table():
    assert pooled(FRAME.head(0), ["kind"], "hits", "of", "rate").is_empty()
    assert listed(FRAME.head(0), ["kind"], {"hit": Counted("hits", "of")}) == ""


def test_a_phase_diagram_has_a_cell_for_each_pair_and_outlines_the_regime():
    frame = pl.DataFrame(
        {
            "depth": [2, 2, 8],
            "width": [32, 32, 64],
            "hits": [1, 3, 4],
            "of": [4, 4, 4],
            "in_regime": [False, False, True],
        }
    )
    axes = Axis("depth", "depth", "category"), Axis("width", "width", "category")
    figure = phase_diagram(frame, Counted("hits", "of"), *axes, "stored")
    cells = figure.data.select("depth", "width", "share", "runs", "in_regime").rows()
    assert cells == [(2, 32, 0.5, 2, False), (8, 64, 1.0, 1, True)]
    assert figure.outline == "in_regime"


def test_cells_come_in_the_order_of_numbers_and_of_first_rows():
    frame = pl.DataFrame(
        {
            "n": [40, 5, 10],
            "network": ["wide", "narrow", "wide"],
            "hits": [1, 1, 1],
            "of": [1, 1, 1],
            "in_regime": [True, True, True],
        }
    )
    axes = Axis("n", "n", "category"), Axis("network", "", "category")
    drawn = draw(phase_diagram(frame, Counted("hits", "of"), *axes, "stored")).to_dict()
    encodings = [layer["encoding"] for layer in drawn["layer"]]
    assert all(encoding["x"]["sort"] == [5, 10, 40] for encoding in encodings)
    assert all(encoding["y"]["sort"] is None for encoding in encodings)
    assert next(iter(drawn["datasets"].values()))[0]["network"] == "wide"
