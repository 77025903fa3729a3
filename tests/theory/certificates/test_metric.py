"""Norms from the Lyapunov equation: their properties and bounds."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory.certificates.affine_layers import affine_layers
from mnemoscope.theory.certificates.loop import Loop
from mnemoscope.theory.certificates.metric import lyapunov_metric


def loop_of(**spec):
    net = mn.nets.FullyConnected(**spec, activation="tanh").build(seed=0, dtype=torch.float64)
    return Loop(affine_layers(mn.SelfMap(net)))


def matrix(n, radius, seed=0):
    J = torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return J * radius / torch.linalg.eigvals(J).abs().max()


@pytest.mark.parametrize("shape", [(6,), (30,)])
@pytest.mark.parametrize(("radius", "goal"), [(0.5, 0.6), (0.9, 0.99), (0.99, 0.999), (0.0, 0.5)])
def test_the_matrix_contracts_by_less_than_the_goal(shape, radius, goal):
    loop = loop_of(shape=shape, width=12, depth=2)
    n = loop.coordinates
    J = matrix(n, radius) if radius else torch.zeros(n, n, dtype=torch.float64)
    metric = lyapunov_metric(loop, J, goal)
    assert metric is not None
    norm = torch.linalg.matrix_norm(metric.S @ J @ torch.linalg.inv(metric.S), 2)
    assert float(norm) < goal


def test_a_goal_below_the_spectral_radius_gives_no_norm():
    loop = loop_of(shape=(6,), width=12, depth=2)
    assert lyapunov_metric(loop, matrix(6, 0.9), 0.8) is None


@pytest.mark.parametrize("shape", [(6,), (30,)])
def test_the_products_are_what_they_represent(shape):
    loop = loop_of(shape=shape, width=12, depth=3)
    n = loop.coordinates
    metric = lyapunov_metric(loop, matrix(n, 0.5), 0.7)
    eye = torch.eye(n, dtype=torch.float64)
    assert torch.allclose(metric.S @ metric.R, eye, atol=1e-12)
    assert 1 <= metric.stretch < 1 + 1e-9
    W1 = loop.layers[0].weight
    assert torch.allclose(metric.first, (W1 if loop.at_state else eye) @ metric.R, atol=1e-12)
    last = loop.layers[-1].weight
    expected = metric.S @ last if loop.at_state else metric.S @ W1 @ last
    assert torch.allclose(metric.last, expected, atol=1e-12)
    assert torch.allclose(metric.sense, metric.S if loop.at_state else metric.S @ W1, atol=1e-12)
    for error in (metric.first_error, metric.last_error, metric.sense_error):
        assert 0 <= error < 1e-9
