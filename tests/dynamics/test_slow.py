"""Slow orbits: their ends are known and take millions of steps to reach."""

import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.slow import follow
from mnemoscope.dynamics.states import rms

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def normal(*size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, generator=generator, dtype=torch.float64)


def rotation(d, seed=3):
    return torch.linalg.qr(normal(d, d, seed=seed)).Q


def two_wells(eps, d, *, fast=0.5, seed=3):
    """Along a first direction `x' = x + eps (x - x^3)`, all others shrink by `fast` each step.

    The sign of `x` never changes, so it decides between the attractors at 1 and -1, whose spectral
    radius is `1 - 2 eps`.
    """
    Q = rotation(d, seed)

    def f(z):
        y = z @ Q.to(z).T
        x = y[:, :1]
        return torch.cat([x + eps * (x - x**3), fast * y[:, 1:]], dim=1) @ Q.to(z)

    return f, Q


def turn(modulus, angle):
    c, s = math.cos(angle), math.sin(angle)
    return modulus * torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def test_basins_of_slow_attractors(dtype):
    def f(z):
        x, y = z[:, 0], z[:, 1]
        return torch.stack([x + 2e-6 * (x - x**3), 0.5 * y], dim=1)

    X = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    Z = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    assert int((Z[:, 0] > 0).sum()) == 101
    census = mn.find_attractors(mn.SelfMap(f, (2,), dtype=dtype), Z, X)
    assert census.labels.bincount().tolist() == [101, 99]
    assert census.basin_fraction.tolist() == pytest.approx([0.505, 0.495])
    assert census.nearest_example.tolist() == [0, 1]
    assert float(census.distance.max()) <= 1e-6
    assert (census.status == mn.Status.CONVERGED).all()
    # 1 - 4e-6, to rounding of a Jacobian-vector product.
    assert (1 - census.spectral_radius.double()).tolist() == pytest.approx([4e-6] * 2, abs=2e-7)


@pytest.mark.parametrize(("eps", "d", "fast"), [(1e-5, 10, 0.9), (1e-3, 10, 0.9), (1e-4, 2, 0.5)])
def test_mixed_coordinates_change_no_basin(eps, d, fast, dtype):
    f, Q = two_wells(eps, d, fast=fast)
    Z = normal(60, d, seed=1).to(dtype)
    positive = Z @ Q[0].to(dtype) > 0
    census = mn.find_attractors(mn.SelfMap(f, (d,), dtype=dtype), Z)
    assert len(census.period) == 2
    assert (census.labels >= 0).all()
    side = census.attractors[census.labels] @ Q[0].to(dtype) > 0
    assert torch.equal(side, positive)


def test_weights_of_single_precision_are_widened():
    Q = rotation(4, seed=5).float()

    def f(z):
        y = z @ Q.T
        return torch.cat([y[:, :1] + 1e-5 * (y[:, :1] - y[:, :1] ** 3), 0.5 * y[:, 1:]], 1) @ Q

    Z = torch.randn(60, 4, generator=torch.Generator().manual_seed(1))
    census = mn.find_attractors(mn.SelfMap(f, (4,)), Z)
    assert len(census.period) == 2
    side = census.attractors[census.labels] @ Q[0] > 0
    assert torch.equal(side, Z @ Q[0] > 0)


@pytest.mark.parametrize("scale", [1e-3, 255.0, 2048.0])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_scaling_and_shifting_change_no_orbit(scale, shift):
    f, _ = two_wells(1e-4, 3)
    Z = normal(40, 3)
    plain = mn.iterate(mn.SelfMap(f, (3,), dtype=torch.float64, unit=2), Z)
    g = lambda z: scale * (f(z / scale - shift) + shift)  # noqa: E731
    other = mn.iterate(
        mn.SelfMap(g, (3,), dtype=torch.float64, unit=2 * scale), scale * (Z + shift)
    )
    assert plain.status.tolist() == other.status.tolist()
    # How far an orbit is when a leap ends depends on rounding, that it is near enough does not.
    assert float(torch.maximum(plain.distance, other.distance).max()) <= 1e-6
    assert rms(other.end / scale - shift - plain.end).max() <= 4e-6


@pytest.mark.parametrize("away", [1.0, 100.0])
def test_a_slow_affine_map_has_one_attractor(away, dtype):
    c = normal(5, seed=2)
    f = mn.SelfMap(lambda z: 0.999999 * z + 1e-6 * c.to(z), (5,), dtype=dtype)
    Z = c + away * normal(50, 5)
    census = mn.find_attractors(f, Z)
    assert census.basin_fraction.tolist() == [1.0]
    assert rms(census.attractors.double() - c).max() <= 1e-6 * away


@pytest.mark.parametrize(
    ("modulus", "angle"), [(1 - 1e-6, 0.7), (1 - 1e-6, 2 * math.pi / 5), (1 - 1e-4, 1e-3)]
)
def test_a_slow_spiral_ends_at_its_centre(modulus, angle, dtype):
    R = turn(modulus, angle)
    f = mn.SelfMap(lambda z: z @ R.to(z).T, (2,), dtype=dtype, unit=1)
    orbits = mn.iterate(f, normal(10, 2), max_steps=1500)
    assert orbits.names == ["converged"] * 10
    assert rms(orbits.end).max() <= 1.01e-6
    census = mn.find_attractors(f, normal(10, 2), max_steps=1500)
    assert census.period.tolist() == [1]


def test_a_slow_cycle_is_closed_where_it_is(dtype):
    # Every second step is one of the flow to +-1, so the cycle is between these two.
    def f(z):
        x = z[:, :1]
        return torch.cat([-(x + 1e-5 * (x - x**3)), 0.5 * z[:, 1:]], dim=1)

    census = mn.find_attractors(mn.SelfMap(f, (3,), dtype=dtype), normal(30, 3))
    assert census.period.tolist() == [2]
    assert census.basin_fraction.tolist() == [1.0]
    assert float((census.attractors[0].abs() - torch.tensor([1.0, 0, 0])).abs().max()) <= 1e-5


def test_a_slow_limit_cycle_is_no_attracting_point():
    def f(z):
        x, y = z[:, :1], z[:, 1:]
        inwards = 1e-3 * (1 - x * x - y * y)
        return torch.cat([x + inwards * x - 0.01 * y, y + inwards * y + 0.01 * x], dim=1)

    f = mn.SelfMap(f, (2,), dtype=torch.float64, unit=1)
    orbits = mn.iterate(f, normal(5, 2), max_steps=3000)
    assert orbits.names == ["unsettled"] * 5
    assert len(mn.find_attractors(f, normal(5, 2), max_steps=3000).period) == 0


def test_what_does_not_settle_is_not_said_to(dtype):
    Q, Z = rotation(6, seed=4), normal(20, 6)
    A = normal(6, 6, seed=6)
    for f, names in (
        (lambda z: z @ Q.to(z), {"unsettled"}),
        (lambda z: (1 + 1e-6) * z, {"diverged"}),
        (lambda z: z + 1e-14 * torch.sin(z @ A.to(z)), None),
        (lambda z: z.clone(), None),
    ):
        f = mn.SelfMap(f, (6,), dtype=dtype, unit=1)
        orbits = mn.iterate(f, Z, max_steps=2000)
        assert names is None or set(orbits.names) == names
        # Of single precision a state that is not changed at all is a fixed point.
        assert ((orbits.status != mn.Status.CONVERGED) | (orbits.residual == 0)).all()
        assert len(mn.find_attractors(f, Z, max_steps=2000).period) == 0


def test_leaps_keep_to_the_orbit():
    # The exact flow of x' = eps (x - x^3) is x(t) = x e^t / sqrt(1 + x^2 (e^2t - 1)).
    eps, Z = 1e-6, torch.tensor([[1e-3], [0.3], [2.0]], dtype=torch.float64)
    f = mn.SelfMap(lambda z: z + eps * (z - z**3), (1,), dtype=torch.float64)
    bound = torch.full((3,), 1e6, dtype=torch.float64)
    went = follow(f, Z, bound, tol=1e-6, allowance=torch.full((3,), 2000))
    assert went.converged.all()
    assert (went.end - 1).abs().max() <= 1.1e-6
    # A few hundred values instead of ln(1e3 * 1e6) / 2e-6 = 10 million.
    assert int(went.steps.max()) <= 2000


def test_an_extrapolated_distance_is_the_true_one():
    f = mn.SelfMap(lambda z: 0.995 * z, (3,), dtype=torch.float64, unit=1)
    orbits = mn.iterate(f, torch.ones(1, 3), max_steps=200)
    assert orbits.names == ["unsettled"]
    assert float(orbits.distance[0]) == pytest.approx(float(rms(orbits.end)[0]), rel=1e-6)


def test_where_rounding_hides_the_rest_the_distance_is_said():
    # In single precision alone: a black box whose values are rounded to it.
    box = mn.BlackBox(lambda z: (0.999 * z.astype("float32") + 0.1).astype("float32"))
    f = mn.SelfMap(box, (4,), unit=1)
    orbits = mn.iterate(f, torch.zeros(3, 4))
    # At 100 a step rounds by 4e-6, so it dies out some 4e-3 off the fixed point.
    assert orbits.names == ["unsettled"] * 3
    true = rms(orbits.end.double() - 100)
    assert (true > 1e-6).all()
    assert (orbits.distance.double() >= true / 4).all()


def test_every_rate_ends_within_the_tolerance(dtype):
    rates = torch.tensor([0.1, 0.5, 0.9, 0.97, 0.99, 0.999, 0.9999], dtype=torch.float64)
    for rate in rates.tolist():
        Q = rotation(5)
        B = Q @ torch.diag(torch.tensor([rate, 0.05, 0.04, 0.3 * rate, 0.0]).double()) @ Q.T
        f = mn.SelfMap(lambda z, B=B: 0.5 + (z - 0.5) @ B.to(z), (5,), dtype=dtype, unit=1)
        orbits = mn.iterate(f, normal(20, 5))
        assert orbits.names == ["converged"] * 20
        # The fixed point is 0.5; half a unit in the last place is what a state cannot say.
        assert rms(orbits.end - 0.5).max() <= 1.05e-6 + torch.finfo(dtype).eps
        assert orbits.distance.max() <= 1e-6
