"""The claim of the infinite-width limit: what it measures, by hand, and its evidence."""

import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.claims.infinite_width import centred_radii, scaled_digits
from mnemoscope.claims.slopes import log_slope


def test_the_slope_and_its_error_by_hand():
    # In logarithms of width 0, 1, 2: 0, 0, 3. Slope 1.5, residuals 0.5, -1, 0.5.
    found, error = log_slope([math.exp(t) for t in range(3)], [1.0, 1.0, math.exp(3)])
    assert found == pytest.approx(1.5)
    assert error == pytest.approx((1.5 / 1 / 2) ** 0.5)
    for widths in ([1, 2], [1, 1, 1]):
        assert math.isnan(log_slope(widths, [1.0] * len(widths))[0])


def test_examples_have_the_norm():
    X = scaled_digits(3, 4.0)
    assert torch.allclose(X.square().mean((1, 2, 3)), torch.full((3,), 16.0).double())


def test_centred_radii_are_those_of_the_difference():
    spec = mn.nets.FullyConnected(shape=(5,), width=7, depth=2, activation="tanh", init="ntk")
    net, first = (spec.build(seed=seed, dtype=torch.float64) for seed in (0, 1))
    X = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = mn.SelfMap(lambda Z: net(Z) - first(Z), (5,), dtype=torch.float64)
    assert torch.allclose(centred_radii(net, first, X), mn.spectral_radius(whole, X), atol=1e-8)
    assert torch.equal(centred_radii(net, net, X), torch.zeros(3).double())


def test_a_quick_run(quick):
    result = quick("infinite-width")
    # Two activations, two norms, two widths, two seeds.
    assert result.runs.height == result.interpolated == 16
    assert (result.runs["agreeing"] <= result.runs["decided"]).all()
    *slopes, ratio, agreement = result.checks
    assert len(slopes) == 2
    assert ratio.verdict == agreement.verdict == "holds"
