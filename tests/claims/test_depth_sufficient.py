"""The depth of collapse and the heuristic's: the claim as it is run."""

import math

import polars as pl
import pytest

from mnemoscope.claims.depth_sufficient import (
    LAWS,
    checks,
    collapse_depth,
    crossing,
    depths,
    medians,
)


def runs(*rows, heuristic=9):
    """Of (depth, next modulus, interpolated)."""
    return pl.DataFrame(
        [
            {
                "law": "preserving", "size": 3, "n": 1, "depth": depth,
                "heuristic_depth": heuristic, "next_modulus": modulus, "interpolated": ok,
            }
            for depth, modulus, ok in rows
        ]
    )  # fmt: skip


def test_depths_are_multiples_of_the_heuristic():
    assert depths(3, 100) == [3, 5, 9, 18, 36, 72]
    assert depths(3, 40) == [3, 5, 9, 18, 36]


def test_the_median_is_over_what_interpolated():
    found = medians(runs((4, 0.1, True), (4, 0.3, True), (4, 9.0, False), (8, 0.0, False)))
    assert found["median"].to_list() == [pytest.approx(0.2), None]
    assert found["interpolated"].to_list() == [2, 0]
    assert found["runs"].to_list() == [3, 1]


@pytest.mark.parametrize(
    ("rows", "depth"),
    [
        ([(2, 0.5, True), (4, 0.04, True), (8, 0.01, True)], 4),
        # Only what stays below counts.
        ([(2, 0.04, True), (4, 0.2, True), (8, 0.01, True)], 8),
        ([(2, 0.5, True), (4, 0.4, True)], math.inf),
        # A depth at which nothing interpolated is passed over.
        ([(2, 0.5, True), (4, 0.0, False), (8, 0.01, True), (16, 0.0, False)], 8),
    ],
)
def test_the_depth_of_collapse(rows, depth):
    assert collapse_depth(runs(*rows)) == depth


def test_the_crossing_is_interpolated_in_the_logarithm():
    assert crossing(runs((10, 0.5, True), (20, 0.005, True))) == pytest.approx(15)
    assert math.isnan(crossing(runs((10, 0.5, True), (20, 0.4, True))))
    assert math.isnan(crossing(runs((10, 0.01, True), (20, 0.001, True))))


@pytest.mark.parametrize(
    ("depth", "verdict", "difference"), [(9, "holds", 0), (18, "holds", 1), (36, "fails", 2)]
)
def test_a_factor_of_two_is_within_the_tolerance(depth, verdict, difference):
    (check,) = checks(runs((1, 1.0, True), (depth, 0.01, True)))
    assert (check.predicted, check.measured) == (9, depth)
    assert (check.verdict, check.difference) == (verdict, difference)


def test_what_never_collapses_fails_and_what_did_not_interpolate_is_not_applicable():
    assert [check.verdict for check in checks(runs((9, 0.5, True)))] == ["fails"]
    (check,) = checks(runs((9, 0.01, False)))
    assert (check.verdict, check.runs) == ("not_applicable", 0)
    assert math.isnan(check.measured)


@pytest.fixture
def result(quick):
    return quick("depth-sufficient")


def test_each_depth_is_tried_with_each_law_and_two_decide(result):
    found = result.runs
    assert found.height == 3 * len(depths(2, 16)) * 2
    assert set(found["law"]) == set(LAWS)
    assert set(found.filter("in_regime")["law"]) == {"pytorch", "xavier"}
    assert [check.predicted for check in result.checks] == [2, 2]
    # As many eigenvalues as examples are 1; of one example that is the first, unless a larger one
    # precedes it.
    kept = found.filter("interpolated", pl.col("next_modulus") < 0.9)
    assert (kept["first_modulus"] > 0.99).all()
    assert "Xavier's weights" in result.note
    assert "weights that preserve the signal" in result.reach


def test_depth_makes_the_next_eigenvalue_smaller(result):
    # Not its depth, which is what the claim is about, but that there is a collapse at all.
    preserving = result.runs.filter(pl.col("law") == "preserving")
    deepest = medians(preserving).filter(pl.col("depth") == 16)
    assert (deepest["median"] < 0.05).all()
