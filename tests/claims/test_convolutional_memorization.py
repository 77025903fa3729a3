"""Deep convolutional networks output training images: the claim as it is run."""

import polars as pl
import pytest
import torch
from torch import nn

from mnemoscope.claims import convolutional_memorization


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
    for counts in convolutional_memorization.taken_to(Towards(X[0], share), X, kinds):
        assert counts["starts"] == counts["at_examples"] == 8
        assert counts["outputs_at_examples"] == at_once
        assert counts["spurious"] == counts["not_settled"] == 0
        assert counts["reached"] == 1


def test_each_network_is_given_both_kinds_of_inputs(quick):
    result = quick("convolutional-memorization")
    # Two depths, one network of each, two kinds of inputs.
    assert result.runs.height == 4
    assert set(result.runs["inputs"]) == {"noise", "other pictures"}
    assert {check.predicted for check in result.checks} == {1.0}


def test_the_checks_are_of_the_greatest_depth_and_of_what_interpolated(quick):
    runs = quick("convolutional-memorization").runs
    deepest = pl.col("depth") == runs["depth"].max()
    for where, runs_counted in ((deepest, 0), (~deepest, 1)):
        changed = runs.with_columns(
            pl.when(where).then(False).otherwise(True).alias("interpolated"),
            *(
                pl.col(name).fill_null(0)
                for name in ("starts", "at_examples", "outputs_at_examples")
            ),
        )
        checks = convolutional_memorization.checks(changed)
        assert [check.runs for check in checks] == [runs_counted] * 2
