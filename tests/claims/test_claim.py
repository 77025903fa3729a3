"""What a claim's checks make of prediction and measurement."""

import math

import polars as pl
import pytest

from mnemoscope.claims import (
    Claim,
    ClaimResult,
    Regime,
    all_near_zero,
    at_least,
    at_most,
    near,
    nearly_all,
)


def claim(**fields):
    return Claim(
        **{
            "number": 1,
            "name": "a-claim",
            "statement": "It is so.",
            "source": "somewhere",
            "tolerance": "1, since it is",
            "checks": lambda runs: (),
            "figures": lambda runs: (),
            **fields,
        }
    )


def result(*checks, interpolated=(True, False)):
    runs = pl.DataFrame({"interpolated": list(interpolated)}, schema={"interpolated": pl.Boolean})
    return ClaimResult(claim(), runs, checks, "a note", 1.5)


@pytest.mark.parametrize(
    ("check", "verdict", "difference"),
    [
        (near("x", predicted=1, measured=1.5, tolerance=0.5, runs=3), "holds", 0.5),
        (near("x", predicted=1, measured=0.4, tolerance=0.5, runs=3), "fails", 0.6),
        (near("x", predicted=1, measured=1, tolerance=0.5, runs=0), "not_applicable", 0),
        (at_most("x", bound=1, measured=0.2, runs=1), "holds", 0),
        (at_most("x", bound=1, measured=1.2, runs=1, tolerance=0.1), "fails", 0.2),
        (at_least("x", bound=1, measured=0.95, runs=1, tolerance=0.1), "holds", 0.05),
        (at_least("x", bound=1, measured=2.0, runs=1), "holds", 0),
    ],
)
def test_a_check_holds_within_its_tolerance(check, verdict, difference):
    assert check.verdict == verdict
    assert check.difference == pytest.approx(difference)


@pytest.mark.parametrize("kind", [near, at_most, at_least])
def test_what_is_not_a_number_never_holds(kind):
    name = "predicted" if kind is near else "bound"
    check = kind("x", **{name: 1.0}, measured=math.nan, tolerance=10, runs=2)
    assert check.verdict == "fails"
    assert math.isnan(check.difference)


def test_the_largest_of_all_runs_decides_and_nan_is_not_passed_over():
    def check(*values):
        runs = pl.DataFrame({"error": values}, schema={"error": pl.Float64})
        return all_near_zero("x", runs, "error", tolerance=0.5)

    assert (check(0.1, 0.4).measured, check(0.1, 0.4).verdict) == (0.4, "holds")
    assert check(0.1, 0.6).verdict == "fails"
    assert {check(math.nan, 0.1).verdict, check(0.1, math.nan).verdict} == {"fails"}
    assert check().verdict == "not_applicable"


def test_a_share_is_of_totals_or_of_rows_and_not_a_number_where_nothing_is_counted():
    runs = pl.DataFrame({"hits": [1, 3], "of": [2, 4], "yes": [True, False]})
    check = nearly_all("x", runs, "hits", "of")
    assert (check.measured, check.predicted, check.runs) == (4 / 6, 1, 2)
    assert nearly_all("x", runs, "yes").measured == 1 / 2
    none = nearly_all("x", runs.head(0), "hits", "of")
    assert math.isnan(none.measured)
    assert none.verdict == "not_applicable"


def test_one_check_that_fails_fails_the_claim():
    good = near("good", predicted=0, measured=0.9, tolerance=1, runs=1)
    bad = near("bad", predicted=0, measured=3, tolerance=1, runs=1)
    worse = near("worse", predicted=0, measured=9, tolerance=1, runs=1)
    none = near("none", predicted=0, measured=0, tolerance=1, runs=0)
    assert result(good, bad, none).verdict == "fails"
    assert result(good, none).verdict == "holds"
    assert result(none).verdict == "not_applicable"
    assert result().verdict == "not_applicable"
    assert result(good, bad, worse, none).decisive is worse
    assert result(good, none).decisive is good
    assert result().decisive is None


def test_the_row_tells_the_decisive_check_and_all_others():
    bad = near("bad", predicted=0, measured=3, tolerance=1, runs=1)
    good = near("good", predicted=0, measured=0, tolerance=1, runs=1)
    row = result(good, bad).row()
    assert (row["name"], row["verdict"], row["quantity"]) == ("a-claim", "fails", "bad")
    assert (row["predicted"], row["measured"], row["difference"], row["tolerance"]) == (0, 3, 3, 1)
    assert [check["verdict"] for check in row["checks"]] == ["holds", "fails"]
    assert (row["runs"], row["interpolated"], row["seconds"], row["note"]) == (2, 1, 1.5, "a note")


def test_only_runs_of_the_regime_are_judged_and_the_reach_is_told_by_all():
    runs = pl.DataFrame({"interpolated": [True, True], "hits": [1, 0], "in_regime": [True, False]})
    judged = claim(
        checks=lambda runs: [nearly_all("x", runs, "hits")],
        regime=Regime("wide networks", "the source", tried=2),
        reach=lambda runs: f"{runs['hits'].sum()} of {runs.height}",
    ).judge(runs)
    assert judged.verdict == "holds"
    row = judged.row()
    assert row["regime"] == {"words": "wide networks", "source": "the source", "tried": 2}
    assert (row["reach"], row["runs"]) == ("1 of 2", 2)
    assert claim().judge(runs).row()["regime"] is None
