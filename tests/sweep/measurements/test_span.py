"""The distance of outputs to the span of the examples."""

import pytest
import torch

from mnemoscope.linalg import distance_to_span, span_basis
from mnemoscope.sweep.measurements.span import distance_to_spans, take
from tests.sweep.measurements.groups import affine, group

X = torch.tensor([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0]])


def test_of_a_projection_it_is_nothing_and_of_the_identity_it_is_what_is_left_out():
    B = span_basis(X).float()
    replicas = affine(torch.stack([B.T @ B, torch.eye(3)]), torch.zeros(2, 3))
    projection, identity = take(group(replicas, X))["span_distance"]
    assert projection == pytest.approx(0, abs=1e-6)
    # The third coordinate, uniform in [0, 1], is left out: its median is one half.
    assert identity == pytest.approx(0.5 / 3**0.5, rel=0.2)


def test_it_depends_on_the_seed_of_the_run_alone():
    replicas = affine(torch.eye(3).expand(3, 3, 3), torch.zeros(3, 3))
    one, same, other = take(group(replicas, X, seeds=(5, 5, 6)))["span_distance"]
    assert one == same
    assert one != other


def test_outputs_that_are_not_finite_are_left_out():
    replicas = affine(torch.full((1, 3, 3), 3e38), torch.full((1, 3), 3e38))
    assert take(group(replicas, X)) == {"span_distance": [None]}


def test_one_span_for_all_gives_what_each_of_them_gives():
    Z = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0))
    shared = X.expand(4, 2, 3)
    expected = torch.stack([distance_to_span(states.double(), X) for states in Z])
    for own in (shared, shared.contiguous()):
        torch.testing.assert_close(distance_to_spans(Z, own), expected)
