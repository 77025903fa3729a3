"""The claim of the two layers: what it measures, by hand, and its evidence."""

import polars as pl
import pytest

from mnemoscope.claims import two_layer_contraction
from mnemoscope.claims.two_layer_contraction import first_weights, shrinking


def table(*rows):
    names = ("activation", "units", "seed", "step", "difference")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


def test_the_differences_at_the_two_smallest_steps_are_compared():
    runs = table(
        ("tanh", "equal", 0, 0.01, 9.0),
        ("tanh", "equal", 0, 0.005, 2.0),
        ("tanh", "equal", 0, 0.0025, 1.0),
        ("relu", "equal", 0, 0.005, 1e-10),
        ("relu", "equal", 0, 0.0025, 1e-9),
    )
    # Below 1e-8 it is rounding, whatever it was before.
    assert shrinking(runs) == [0.5, 0.0]


def test_seeds_are_averaged_and_a_missing_run_leaves_its_group_out():
    runs = table(
        ("tanh", "equal", 0, 0.005, 1.0),
        ("tanh", "equal", 0, 0.0025, 0.2),
        ("tanh", "equal", 1, 0.005, 3.0),
        ("tanh", "equal", 1, 0.0025, 1.8),
        ("sin", "equal", 0, 0.005, 1.0),
        ("sin", "equal", 0, 0.0025, 0.5),
        ("sin", "equal", 1, 0.005, 1.0),
        ("gelu", "equal", 0, 0.005, 1.0),
    )
    assert shrinking(runs) == pytest.approx([0.5])
    assert shrinking(runs.clear()) == []


def test_first_weights():
    a, b = first_weights("equal", 0)
    assert a.unique().numel() == b.unique().numel() == 1
    a, b = first_weights("unequal", 3)
    assert (a == first_weights("unequal", 3)[0]).all()
    assert (a != first_weights("unequal", 4)[0]).any()
    assert len(b) == len(a) == two_layer_contraction.UNITS


def test_a_quick_run_holds(quick):
    result = quick("two-layer-contraction")
    assert {check.verdict for check in result.checks} == {"holds"}
    # Two seeds, eight activations, two kinds of units, two steps.
    assert result.runs.height == 64
    relu = result.runs.filter(pl.col("activation") == "relu")
    assert relu["measured"].to_list() == pytest.approx([1] * 8, abs=1e-8)
