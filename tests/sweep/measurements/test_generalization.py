"""Generalization on maps whose errors are known: the identity, the projection, a constant."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.linalg import span_basis
from mnemoscope.sweep.measurements.generalization import take
from tests.sweep.measurements.groups import affine, group

CHANCE = torch.Generator().manual_seed(0)
X = torch.rand(2, 4, generator=CHANCE)
HELD_OUT = torch.rand(25, 4, generator=CHANCE)
P = (lambda B: (B.T @ B).float())(span_basis(X))
PROJECTION_ERROR = float((HELD_OUT - HELD_OUT @ P).square().mean())
VARIANCE = float((HELD_OUT - HELD_OUT.mean(0)).square().mean())


@pytest.mark.parametrize(
    ("A", "b", "generalized", "error"),
    [
        (torch.eye(4), torch.zeros(4), 25, 0.0),
        (P, torch.zeros(4), 25, PROJECTION_ERROR),
        (torch.zeros(4, 4), torch.full((4,), 9.0), 0, float((HELD_OUT - 9).square().mean())),
    ],
    ids=["identity", "projection", "constant"],
)
def test_known_maps(A, b, generalized, error):
    columns = take(group(affine(A[None], b[None]), X, HELD_OUT))
    assert columns == {
        "held_out": [25],
        "generalized": [generalized],
        "held_out_error": [pytest.approx(error, rel=1e-5)],
        "projection_error": [pytest.approx(PROJECTION_ERROR, rel=1e-5)],
        "held_out_variance": [pytest.approx(VARIANCE, rel=1e-5)],
    }


@pytest.mark.parametrize(("share", "generalized"), [(0.009, 25), (0.011, 0)])
def test_a_percent_of_the_variance_is_good_enough_where_the_examples_span_everything(
    share, generalized
):
    whole = torch.eye(4)
    offset = torch.full((1, 4), (share * VARIANCE) ** 0.5)
    columns = take(group(affine(torch.eye(4)[None], offset), whole, HELD_OUT))
    assert columns["projection_error"] == [pytest.approx(0, abs=1e-12)]
    assert columns["generalized"] == [generalized]


def test_a_little_worse_than_the_projection_is_not_as_good():
    worse = torch.eye(4) - 1.01 * (torch.eye(4) - P)
    columns = take(group(affine(worse[None], torch.zeros(1, 4)), X, HELD_OUT))
    enough = (HELD_OUT - HELD_OUT @ P).square().mean(1) * 1.01**2 <= 0.01 * VARIANCE
    assert columns["generalized"] == [int(enough.sum())]
    assert columns["generalized"][0] < 25


def test_every_network_is_held_against_the_span_of_its_own_examples():
    own = torch.stack([X, torch.eye(4)[:2]])
    replicas = affine(P.expand(2, 4, 4), torch.zeros(2, 4))
    mine, other = take(group(replicas, own, HELD_OUT))["projection_error"]
    assert mine == pytest.approx(PROJECTION_ERROR, rel=1e-5)
    assert other == pytest.approx(float(HELD_OUT[:, 2:].square().sum() / 100), rel=1e-5)


def test_a_view_and_a_copy_of_the_examples_are_the_same():
    replicas = affine(torch.stack([P, torch.eye(4)]), torch.zeros(2, 4))
    view = group(replicas, X, HELD_OUT)
    copy = group(replicas, torch.stack([X, X]), torch.stack([HELD_OUT, HELD_OUT]))
    assert view.X.stride(0) == 0 != copy.X.stride(0)
    columns, again = take(view), take(copy)
    assert all(columns[name] == pytest.approx(again[name]) for name in columns)


def test_an_error_that_is_not_a_number_is_no_generalization():
    replicas = affine(torch.full((1, 4, 4), torch.nan), torch.zeros(1, 4))
    assert take(group(replicas, X, HELD_OUT))["generalized"] == [0]


def test_without_held_out_examples_it_is_refused():
    with pytest.raises(mn.MnemoscopeError, match="held_out"):
        take(group(affine(P[None], torch.zeros(1, 4)), X))
