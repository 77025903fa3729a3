"""One linear layer ends at the projection: the claim as it is run."""

import math

import pytest

from mnemoscope.claims import Scale, projection
from mnemoscope.claims.run import run_claim


@pytest.fixture(scope="module")
def result():
    return run_claim("projection", Scale("quick", seeds=2))


def test_it_holds(result):
    assert result.verdict == "holds"
    assert [check.verdict for check in result.evidence.checks] == ["holds"] * 3


def test_every_run_is_told_at_ten_times_and_at_the_end(result):
    runs = result.evidence.runs
    # Two seeds from random weights and one from zero.
    assert runs.filter(runs["step"] == runs["last_step"]).height == 3
    assert runs.filter(runs["init"] == "default").height == 2 * (projection.TIMES + 1)
    assert result.interpolated == runs.height


def test_what_did_not_interpolate_counts_for_nothing(monkeypatch):
    monkeypatch.setattr(projection, "MOST_STEPS", 20)
    result = run_claim("projection", Scale("quick", seeds=2))
    limits = result.evidence.checks[:2]
    assert [check.verdict for check in limits] == ["not_applicable"] * 2
    assert all(math.isnan(check.measured) for check in limits)
    assert result.interpolated == 0


def test_its_figure_is_drawn(result):
    (rows,) = projection.figure(result.evidence.runs).to_dict()["datasets"].values()
    assert len(rows) == result.runs
