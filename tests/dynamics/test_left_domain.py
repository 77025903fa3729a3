"""Orbits that leave the map's domain."""

import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.contraction import contraction

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def drawn(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def refusing(f, low=0.0):
    """The map, which raises for states with an entry below `low`."""

    def g(z):
        if (z < low).any():
            raise ValueError("out of range")
        return f(z)

    return g


def down(z):
    """Every state loses .3 a step."""
    return z - 0.3


def both(f, **options):
    """The same map by its bounds, and by what it raises."""
    return (
        mn.SelfMap(f, (2,), domain=(0, None), unit=1, **options),
        mn.SelfMap(refusing(f), (2,), unit=1, **options),
    )


@pytest.mark.parametrize("which", [0, 1])
def test_an_orbit_ends_at_its_last_state_in_the_domain(which):
    f = both(down)[which]
    Z = torch.tensor([[1.0, 2.0], [0.2, 5.0], [-1.0, 1.0], [0.65, 0.65]])
    orbits = mn.iterate(f, Z)
    assert orbits.names == ["left_domain"] * 4
    assert orbits.steps.tolist() == [3, 0, 0, 2]
    expected = torch.tensor([[0.1, 1.1], [0.2, 5.0], [-1.0, 1.0], [0.05, 0.05]])
    assert torch.allclose(orbits.end, expected, atol=1e-6)
    assert orbits.residual[[0, 1, 3]].tolist() == pytest.approx([0.3] * 3, abs=1e-6)
    assert math.isnan(orbits.residual[2])
    assert orbits.period.tolist() == [0] * 4


@pytest.mark.parametrize("which", [0, 1])
def test_others_of_the_batch_go_on(which):
    """One state of many leaves; all others converge as they would without it."""
    f = both(lambda z: torch.where(z > 3, -z, z / 2 + 0.25))[which]
    Z = drawn(200, 2)
    Z[77] = 4
    orbits = mn.iterate(f, Z)
    assert orbits.count(mn.Status.LEFT_DOMAIN) == 1
    assert orbits.names[77] == "left_domain"
    rest = torch.arange(200) != 77
    alone = mn.iterate(lambda z: z / 2 + 0.25, Z[rest])
    assert torch.allclose(orbits.end[rest], alone.end, atol=2e-6)
    assert orbits.of(rest).count(mn.Status.CONVERGED) == 199


@pytest.mark.parametrize("which", [0, 1])
def test_places_in_the_batch_are_taken_by_others(which):
    f = both(down)[which]
    Z = 2 * drawn(300, 2, seed=1)
    one, many = mn.iterate(f, Z, batch_size=7), mn.iterate(f, Z)
    assert torch.equal(one.end, many.end)
    assert torch.equal(one.steps, many.steps)
    assert bool((many.end.amin(1) >= 0).all() and (many.end.amin(1) < 0.3).all())


@pytest.mark.parametrize("which", [0, 1])
def test_a_slow_orbit_leaves_by_leaps(which):
    """A step of 1e-5 towards the edge, 1 away: leaps are shortened until it is seen to leave."""
    f = both(lambda z: z - 1e-5 * (1 + z), dtype=torch.float64)[which]
    orbits = mn.iterate(f, torch.ones(1, 2, dtype=torch.float64), max_steps=100_000)
    assert orbits.names == ["left_domain"]
    # By the differential equation it takes 1e5 log(2) = 69,315 steps; the end is a step from 0.
    assert 0 <= float(orbits.end.min()) <= 1.1e-5


def test_what_is_not_finite_has_diverged_not_left():
    f = mn.SelfMap(
        lambda z: torch.where(z > 1, z * math.inf, 2 * z), (1,), domain=(0, None), unit=1
    )
    assert mn.iterate(f, torch.ones(1, 1)).names == ["diverged"]


def test_a_domain_cuts_basins():
    """Doubling towards 1 or -1 along a line: with a domain from 0 on one basin is left."""

    def f(z):
        return z + 0.5 * (z.sign() - z)

    Z = torch.linspace(-1, 1, 41)[:, None]
    Z = Z[Z[:, 0].abs() > 1e-3]
    whole = mn.find_attractors(mn.SelfMap(f, (1,), unit=1), Z)
    assert whole.basin_fraction.tolist() == [0.5, 0.5]
    for cut in (
        mn.SelfMap(f, (1,), unit=1, domain=(0, None)),
        mn.SelfMap(refusing(f), (1,), unit=1),
    ):
        found = mn.find_attractors(cut, Z)
        assert found.attractors.tolist() == [pytest.approx([1.0])]
        # Of all starts, those outside among them.
        assert found.basin_fraction.tolist() == [0.5]
        assert bool((found.labels[Z[:, 0] < 0] == -1).all())
        assert int((found.status == mn.Status.LEFT_DOMAIN).sum()) == 20


def test_starts_are_drawn_within_the_bounds():
    f = mn.SelfMap(lambda z: z / 2, (3,), domain=(0, 1), unit=1)
    found = mn.find_attractors(f, mn.Starts("wide_gaussian", 200))
    assert found.basin_fraction.tolist() == [1.0]
    own = mn.find_attractors(f, torch.tensor([[0.5, 0.5, 0.5], [-1.0, 0.5, 0.5]]))
    assert own.labels.tolist() == [0, -1]


@pytest.mark.parametrize("black_box", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_an_attractor_at_the_edge(which, black_box):
    """Both by derivatives and by differences, which cannot go beyond the edge."""

    def f(z):
        return z / 2

    given = refusing(f) if which else f
    stage = mn.Wrapped(given, black_box=True) if black_box else given
    f = mn.SelfMap(stage, (6,), unit=1, domain=None if which else (0, None))
    found = mn.find_attractors(f, drawn(20, 6))
    assert found.attractors.abs().max() < 1e-6
    assert found.spectral_radius.tolist() == pytest.approx([0.5], abs=1e-3)
    assert found.basin_fraction.tolist() == [1.0]
    fixed = mn.find_fixed_points(f, drawn(20, 6))
    assert (len(fixed.points), fixed.attracting.tolist()) == (1, [True])


@pytest.mark.parametrize("which", [0, 1])
def test_growth_is_measured_from_inside(which):
    f = both(lambda z: 0.25 * z)[which]
    mn.iterate(f, drawn(5, 2))
    found = contraction(f, torch.zeros(1, 2))
    assert float(found.rate) == pytest.approx(0.25, rel=1e-3)


def test_growth_in_a_corner_of_which_nothing_else_is_known():
    found = contraction(mn.SelfMap(refusing(lambda z: 0.25 * z), (2,), unit=1), torch.zeros(1, 2))
    assert math.isnan(found.rate)
    assert math.isinf(found.high)
    assert "domain" in found.reason


def test_fixed_points_beyond_the_bounds_are_none():
    # Fixed points at -1, 0 and 1.
    f = mn.SelfMap(lambda z: torch.tanh(2 * z), (1,), domain=(-0.1, None), unit=1)
    found = mn.find_fixed_points(f, torch.linspace(-2, 2, 40)[:, None])
    assert sorted(found.points.flatten().tolist()) == pytest.approx([0, 0.9575], abs=1e-3)


def test_a_network_with_bounds_is_followed_as_states():
    """Its image space has no bounds of entries."""
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=4, depth=2, activation="tanh").build(seed=0)
    Z = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    free = mn.iterate(net, Z)
    wide = mn.iterate(mn.SelfMap(net, domain=(-100, 100)), Z)
    assert free.names == wide.names
    assert torch.allclose(free.end, wide.end, atol=1e-4)
    narrow = mn.iterate(mn.SelfMap(net, domain=(0, None)), Z.abs())
    assert "left_domain" in narrow.names
