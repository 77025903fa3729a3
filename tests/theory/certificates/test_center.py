"""Fixed points found from nearby states."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory.certificates.affine_layers import affine_layers
from mnemoscope.theory.certificates.center import fixed_point_near
from mnemoscope.theory.certificates.loop import Loop


def loop_of(net):
    return Loop(affine_layers(mn.SelfMap(net)))


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "sin"])
@pytest.mark.parametrize("shape", [(6,), (40,)])
def test_the_residual_is_rounding(activation, shape):
    net = mn.nets.FullyConnected(shape=shape, width=20, depth=3, activation=activation).build(
        seed=0, dtype=torch.float64
    )
    found = fixed_point_near(loop_of(net), torch.ones(shape).double())
    with torch.no_grad():
        assert float((net(found) - found).norm()) < 1e-13


def test_a_fixed_point_that_repels_is_found_too():
    # 2 tanh(x) near 0, where steps of the map lead away.
    net = mn.nets.FullyConnected(shape=(1,), width=1, depth=2, activation="tanh", bias=False).build(
        dtype=torch.float64
    )
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), (1.0, 2.0), strict=True):
            parameter.fill_(value)
    assert float(fixed_point_near(loop_of(net), torch.tensor([0.1]).double()).abs()) < 1e-12


def test_an_orbit_that_grows_without_bound_gives_what_it_has():
    net = mn.nets.FullyConnected(shape=(1,), depth=1, activation="identity").build(
        dtype=torch.float64
    )
    with torch.no_grad():
        net.body[1].weight.fill_(1.0)
        net.body[1].bias.fill_(1.0)
    assert fixed_point_near(loop_of(net), torch.zeros(1).double()).isfinite().all()
