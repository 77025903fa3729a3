"""What holds of every claim: its table, its checks and its figures are well formed."""

import polars as pl
import pytest

from mnemoscope.claims.claim import CLAIMS
from mnemoscope.plots.draw import draw

ENDS = ("at_examples", "spurious", "not_settled", "starts")


@pytest.fixture(params=list(CLAIMS))
def result(request, quick):
    return quick(request.param)


def test_its_runs_and_checks_are_well_formed(result):
    runs = result.runs
    assert {"seed", "loss", "interpolated"} <= set(runs.columns)
    assert 0 < result.interpolated <= runs.height
    assert result.checks
    counted = runs.filter("interpolated")
    for name in result.claim.rates:
        rated = counted.drop_nulls(name)
        assert rated[name].is_between(rated[f"{name}_low"], rated[f"{name}_high"]).all()
    if set(ENDS) <= set(runs.columns):
        *parts, starts = (counted[name] for name in ENDS)
        assert (sum(parts[1:], parts[0]) == starts).all()


def test_its_figures_are_drawn(result):
    for figure in result.figures():
        drawn = draw(figure).to_dict()["datasets"].values()
        assert figure.data.height > 0
        assert figure.data.height in {len(rows) for rows in drawn}


def test_runs_that_do_not_interpolate_count_for_nothing(result):
    lost = result.claim.judge(result.runs.with_columns(interpolated=pl.lit(False)))
    assert lost.interpolated == 0
    # How the weights move is predicted for a path that does not reach its end, too.
    checks = lost.checks[:2] if lost.name == "projection" else lost.checks
    assert {check.verdict for check in checks} == {"not_applicable"}
    for figure in lost.figures():
        assert draw(figure).to_dict()
