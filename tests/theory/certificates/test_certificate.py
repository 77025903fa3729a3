"""Consequences of a certificate, by hand for one that contracts by 1/2 in a stretched norm."""

import math
from dataclasses import replace

import pytest
import torch

import mnemoscope as mn
from mnemoscope.theory.certificates import Certificate

HALF = Certificate(
    certified=True,
    center=torch.zeros(1, 2, dtype=torch.float64),
    radius=0.5,
    rate=0.5,
    reason="by hand",
    spectral_radius=0.4,
    fixed_point_distance=0.02,
    metric=torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64)),
    metric_radius=1.0,
    residual=0.01,
    to_state=1.0,
)
NOTHING = Certificate(False, torch.zeros(1, 2), 0.0, math.inf, "the reason", 1.2)


def test_steps_to():
    # The start is at most 1 + 0.01 / 0.5 = 1.02 away; 1.02 / 2^t <= 0.01 from t = 7 on.
    assert HALF.steps_to(0.01) == 7
    assert HALF.steps_to(2.0) == 0
    # Where states are seen a step late, and stretched by 4, that takes 3 more.
    assert replace(HALF, to_state=4.0, delay=1).steps_to(0.01) == 10


def test_contains_what_is_in_the_ball_or_in_the_set():
    Z = torch.tensor([[[0.99, 0.0]], [[1.01, 0.0]], [[0.0, 0.499]], [[0.0, 0.501]], [[0.6, 0.4]]])
    assert HALF.contains(Z).tolist() == [True, False, True, False, False]
    assert HALF.contains(Z[:0]).tolist() == []
    assert NOTHING.contains(Z).tolist() == [False] * 5


def test_what_rounding_of_the_norm_leaves_open_is_left_out():
    Z = torch.tensor([[[0.99, 0.0]]])
    assert HALF.contains(Z).all()
    assert not replace(HALF, metric_error=0.02).contains(Z).any()


def test_floor():
    # Errors of 0.01 are at most sqrt(5) 0.01 in the norm, as the Frobenius norm bounds it.
    assert HALF.floor(0.01) == pytest.approx(2 * 5**0.5 * 0.01)
    assert HALF.floor(0.0) == pytest.approx(0, abs=1e-100)
    # A step inward of (1 - 0.5) 1.0 less the residual is all the room there is.
    assert HALF.floor(0.48 / 5**0.5) < math.inf
    assert HALF.floor(0.50 / 5**0.5) == math.inf
    assert replace(HALF, delay=1).floor(0.01) == pytest.approx((2 * 5**0.5 + 1) * 0.01)


def test_computed_orbits_end_below_the_floor():
    spec = mn.nets.FullyConnected(shape=(6,), width=10, depth=3, activation="tanh")
    net = spec.build(seed=0, dtype=torch.float64)
    certificate = mn.theory.certificates.certify(net, torch.zeros(6))
    error = 1e-3
    floor = certificate.floor(error)
    assert error <= floor < 1
    generator = torch.Generator().manual_seed(0)
    x = certificate.center + torch.randn(50, 6, generator=generator).double() * 0.1
    assert bool(certificate.contains(x).all())
    worst = torch.zeros(50, 6, dtype=torch.float64)
    with torch.no_grad():
        for _ in range(60):
            noise = torch.randn(50, 6, generator=generator).double()
            # Errors that all lead away, as far as they may.
            worst = noise + 3 * (x - certificate.center) / floor
            x = net(x) + error * worst / worst.norm(dim=1, keepdim=True)
    off = (x - certificate.center).norm(dim=1)
    assert bool((off <= floor + certificate.fixed_point_distance).all())


@pytest.mark.parametrize("call", [lambda c: c.steps_to(0.1), lambda c: c.floor(0.1)])
def test_nothing_follows_from_nothing(call):
    with pytest.raises(mn.MnemoscopeError, match="the reason"):
        call(NOTHING)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: HALF.steps_to(0.0), "eps"),
        (lambda: HALF.steps_to(math.nan), "eps"),
        (lambda: HALF.floor(-1.0), "error"),
        (lambda: HALF.contains(torch.zeros(2)), "Z"),
        (lambda: HALF.contains(torch.zeros(3, 2, 1)), "Z"),
    ],
)
def test_what_does_not_fit_is_refused(call, field):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        call()
    assert refusal.value.field == field
