"""The memory of one state, against what is known by hand."""

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import SelfMap
from mnemoscope.maps.linearization import ForwardLinearization

WIDE = 40_000


def wide():
    """From 4 entries to 40,000 and back: the middle is nearly all there is."""
    return nn.Sequential(nn.Linear(4, WIDE), nn.Tanh(), nn.Linear(WIDE, 4))


def test_what_lives_at_the_peak_is_counted():
    f = SelfMap(wide(), shape=(4,))
    one = 4 * WIDE  # Bytes of the hidden layer.
    # tanh's input and output live together, and nothing else of that size.
    assert 2 * one <= f.footprint.evaluate < 2.2 * one
    # Reverse mode keeps the output; a product needs a covector or two in addition.
    assert 2 * one <= f.footprint.reverse < 8 * one
    assert f.footprint.linearize == f.footprint.reverse


def test_plain_layers_are_known_without_measuring():
    net = mn.nets.FullyConnected(shape=(4,), width=100, depth=3).build(seed=0)
    f = SelfMap(net)
    assert f.footprint.evaluate == 3 * 100 * 4
    assert f.footprint.reverse == 2 * (4 + 100 + 100 + 4) * 4


def test_within_a_budget_a_batch_is_cut():
    sizes = []
    net = wide()
    net[0].register_forward_hook(lambda module, given, made: sizes.append(len(made)))
    f = SelfMap(net, shape=(4,), budget=10 * 4 * WIDE)
    sizes.clear()
    Z = torch.randn(12, 4)
    assert torch.allclose(f(Z), net(Z), atol=1e-6)
    assert max(sizes[:-1]) <= 5


def test_a_derivative_that_does_not_fit_is_computed_without_keeping():
    net = nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(40)])
    f = SelfMap(net, shape=(64,))
    g = SelfMap(net, shape=(64,), budget=f.footprint.evaluate + 1)
    assert f.reversible
    assert not g.reversible
    Z = torch.randn(3, 64)
    assert isinstance(g.linearize(Z), ForwardLinearization)
    assert torch.allclose(mn.spectral_radius(f, Z), mn.spectral_radius(g, Z), rtol=1e-4)
    with pytest.raises(mn.MnemoscopeError, match="raise the budget"):
        mn.operator_norm(g, Z)


def test_a_budget_too_small_for_one_state():
    with pytest.raises(mn.MnemoscopeError, match="one state takes"):
        SelfMap(wide(), shape=(4,), budget=1000)


def test_the_budget_goes_with_the_map():
    f = SelfMap(wide(), shape=(4,), budget=10**7)
    assert f.to(torch.float64).budget == (f**2).budget == SelfMap(f).budget == 10**7


def test_both_modes_agree_with_the_dense_jacobian(known, dtype):
    f = known.self_map(dtype)
    Z = known.at.to(dtype)
    V = torch.randn(Z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    forward = ForwardLinearization(known.f, Z, batch_size=2).jvp(V.to(dtype))
    assert torch.allclose(forward, f.linearize(Z).jvp(V.to(dtype)), rtol=1e-4, atol=1e-5)
