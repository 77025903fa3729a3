"""Deep convolutional networks output training images: the claim as it is run."""

import math

import polars as pl
import pytest
import torch
from torch import nn

from mnemoscope.claims import Scale, convolutional_memorization
from mnemoscope.claims.run import run_claim


@pytest.fixture(scope="module")
def result():
    return run_claim("convolutional-memorization", Scale("quick", seeds=1))


class Towards(nn.Module):
    """Goes a share of the way from wherever it is to one image."""

    def __init__(self, x, share):
        super().__init__()
        self.x, self.share = x, share

    def forward(self, z):
        return z + self.share * (self.x - z)


@pytest.mark.parametrize(("share", "at_once"), [(0.99, 8), (0.2, 0)])
def test_a_contraction_ends_at_its_image_and_outputs_it_if_it_is_strong(share, at_once):
    X = torch.full((1, 1, 4, 4), 0.5)
    generator = torch.Generator().manual_seed(0)
    kinds = [torch.rand(8, 1, 4, 4, generator=generator) for _ in range(2)]
    for counts in convolutional_memorization._ends(Towards(X[0], share), X, kinds):
        assert counts["starts"] == counts["at_examples"] == 8
        assert counts["outputs_at_examples"] == at_once
        assert counts["spurious"] == counts["not_settled"] == 0
        assert counts["reached"] == 1


def test_its_evidence_is_well_formed(result):
    runs = result.evidence.runs
    # Two depths, one network of each, two kinds of inputs.
    assert runs.height == 4
    assert set(runs["inputs"]) == {"noise", "other pictures"}
    counted = runs.filter("interpolated")
    parts = counted["at_examples"] + counted["spurious"] + counted["not_settled"]
    assert (parts == counted["starts"]).all()
    assert (counted["share_low"] <= counted["share"]).all()
    assert (counted["share"] <= counted["share_high"]).all()
    assert len(result.evidence.checks) == 2
    assert {check.predicted for check in result.evidence.checks} == {1.0}


def test_the_checks_are_of_the_greatest_depth_and_of_what_interpolated(result):
    runs = result.evidence.runs
    deepest = pl.col("depth") == runs["depth"].max()
    for where, runs_counted in ((deepest, 0), (~deepest, 1)):
        changed = runs.with_columns(
            pl.when(where).then(False).otherwise(True).alias("interpolated"),
            *(
                pl.col(name).fill_null(0)
                for name in ("starts", "at_examples", "outputs_at_examples")
            ),
        )
        checks = convolutional_memorization._checks(changed)
        assert [check.runs for check in checks] == [runs_counted] * 2


def test_what_did_not_interpolate_counts_for_nothing(monkeypatch):
    monkeypatch.setattr(convolutional_memorization, "MOST_STEPS", 10)
    result = run_claim("convolutional-memorization", Scale("quick", seeds=1))
    assert result.interpolated == 0
    assert result.verdict == "not_applicable"
    assert all(math.isnan(check.measured) for check in result.evidence.checks)
    assert result.evidence.runs["at_examples"].null_count() == result.runs


def test_its_figure_is_drawn_even_of_nothing(result):
    runs = result.evidence.runs
    (rows,) = convolutional_memorization.figure(runs).to_dict()["datasets"].values()
    assert len(rows) > 1
    assert convolutional_memorization.figure(runs.with_columns(interpolated=False)).to_dict()
