"""Matrices of linear networks, their moduli, and angles of eigenspaces."""

import math

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.claims.operators import angle_to_span, moduli, operator


def test_the_operator_of_a_shift_moves_every_pixel():
    shift = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        shift.weight.zero_()
        # Each pixel takes the one to its left.
        shift.weight[0, 0, 1, 0] = 1
    A = operator(shift, (1, 1, 3))
    assert A.dtype == torch.float64
    assert A.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_the_operator_is_what_the_network_does():
    spec = mn.nets.Convolutional(
        shape=(2, 4, 4), channels=3, depth=4, activation="identity", bias=False, downsample=1
    )
    net = spec.build(seed=0)
    z = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        image = net(z).flatten().double()
    assert torch.allclose(operator(net, spec.shape) @ z.flatten().double(), image, atol=1e-6)


def test_moduli_are_sorted_and_of_complex_pairs_too():
    A = torch.block_diag(torch.tensor([[0.5]]), torch.tensor([[0.0, -3.0], [3.0, 0.0]]))
    assert moduli(A).tolist() == pytest.approx([3, 3, 0.5])


def test_what_is_not_finite_has_no_moduli_and_no_angle():
    A = torch.full((2, 2), torch.inf, dtype=torch.float64)
    assert bool(moduli(A).isnan().all())
    assert math.isnan(angle_to_span(A, torch.ones(1, 2)))


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, math.pi / 2])
def test_the_angle_of_a_projection_to_another_line(angle):
    u = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    x = torch.tensor([[2.0, 0.0]], dtype=torch.float64)
    assert angle_to_span(torch.outer(u, u), x) == pytest.approx(angle, abs=1e-12)


def test_the_angle_of_a_plane_is_that_of_its_furthest_line():
    # The span of e1 and e2 against the leading eigenspace of e1 and e3.
    A = torch.diag(torch.tensor([1.0, 0.1, 0.9], dtype=torch.float64))
    assert angle_to_span(A, torch.eye(3)[:2]) == pytest.approx(math.pi / 2)
    assert angle_to_span(A, torch.eye(3)[[0, 2]]) == pytest.approx(0)
