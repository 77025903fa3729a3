import math

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics import orbits as module
from tests.known_maps import KNOWN_MAPS

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def starts(known, dtype, n=20):
    Z = torch.randn(n, *known.shape, generator=torch.Generator().manual_seed(0))
    return Z.to(dtype)


def test_every_orbit_meets_its_known_fate(known, dtype):
    if not known.fate:
        pytest.skip("orbits of this map do not settle")
    orbits = mn.iterate(known.self_map(dtype), starts(known, dtype))
    assert set(orbits.names) == {known.fate}
    if known.fate == "cycle":
        period = 5 if "fifth" in known.name or "5" in known.name else 2
        assert orbits.period.tolist() == [period] * 20
    else:
        expected = 1 if known.fate == "converged" else 0
        assert orbits.period.tolist() == [expected] * 20


def test_ends_are_where_step_by_step_iteration_is(known):
    f = known.self_map(torch.float64)
    Z = starts(known, torch.float64, n=5)
    orbits = mn.iterate(f, Z, max_steps=500)
    for i in range(5):
        z = Z[i : i + 1]
        for _ in range(int(orbits.steps[i])):
            z = f(z)
        assert torch.allclose(z[0], orbits.end[i], rtol=1e-9, atol=1e-9)


def test_converged_orbits_are_within_tol_of_their_image(dtype):
    f = mn.SelfMap(torch.cos, shape=(3,), dtype=dtype, unit=1)
    Z = torch.linspace(-3, 3, 30, dtype=dtype).reshape(10, 3)
    orbits = mn.iterate(f, Z, tol=1e-5)
    assert orbits.count(mn.Status.CONVERGED) == 10
    assert orbits.residual.max() <= 1e-5
    assert torch.allclose(f.residual(orbits.end), orbits.residual, atol=1e-9)
    # The Dottie number: the distance is RMS over three entries.
    assert (orbits.end - 0.739085133).abs().max() <= 1e-5 * 3**0.5
    assert orbits.distance.max() <= 1e-5


def test_steps_are_counted_by_hand():
    # z / 2 from 1: z = 2^-k is that far from its limit, at most 1e-3 first at k = 10.
    f = mn.SelfMap(lambda z: z / 2, (1,), unit=1)
    orbits = mn.iterate(f, torch.ones(1, 1), tol=1e-3)
    assert orbits.steps.tolist() == [10]
    assert float(orbits.end) == 2.0**-10
    assert float(orbits.distance) == pytest.approx(2.0**-10)


@pytest.mark.parametrize("rate", [-0.5, -0.95, -0.999])
def test_an_orbit_that_alternates_into_a_fixed_point_is_no_cycle(rate):
    orbits = mn.iterate(lambda z: rate * z, torch.ones(3, 4, dtype=torch.float64), max_steps=50_000)
    assert orbits.names == ["converged"] * 3


def test_a_spiral_is_no_cycle():
    c, s = 0.99 * math.cos(2 * math.pi / 7), 0.99 * math.sin(2 * math.pi / 7)
    R = torch.tensor([[c, -s], [s, c]])
    orbits = mn.iterate(
        lambda z: z @ R.T, torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    )
    assert orbits.names == ["converged"] * 5


def test_the_period_is_the_smallest():
    # A permutation of 6 entries with cycles of 2 and 3: most states have period 6, some 2 or 3.
    order = torch.tensor([1, 0, 3, 4, 2, 5])
    Z = torch.tensor(
        [[1.0, 2, 3, 4, 5, 6], [1, 2, 7, 7, 7, 0], [3, 3, 1, 2, 3, 0], [1, 1, 2, 2, 2, 9]]
    )
    orbits = mn.iterate(lambda z: z[:, order], Z)
    assert orbits.period.tolist() == [6, 2, 3, 1]
    assert orbits.names == ["cycle", "cycle", "cycle", "converged"]


def test_divergence_keeps_the_last_finite_state():
    orbits = mn.iterate(lambda z: z**3, torch.tensor([[0.5], [2.0], [math.nan]]))
    assert orbits.names == ["converged", "diverged", "diverged"]
    assert math.isfinite(float(orbits.end[1]))
    slow = mn.iterate(lambda z: 1.01 * z, torch.ones(1, 2))
    assert slow.names == ["diverged"]


def test_unsettled_after_max_steps():
    orbits = mn.iterate(
        lambda z: 4 * z * (1 - z), torch.tensor([[0.3]], dtype=torch.float64), max_steps=50
    )
    assert orbits.names == ["unsettled"]
    assert orbits.steps.tolist() == [49]
    assert orbits.period.tolist() == [0]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 1000])
def test_the_working_batch_changes_no_number(batch_size):
    known = next(m for m in KNOWN_MAPS if m.name.startswith("tanh 2"))
    f = known.self_map(torch.float64)
    Z = starts(known, torch.float64, n=50)
    whole = mn.iterate(f, Z)
    parts = mn.iterate(f, Z, batch_size=batch_size)
    # A rounding decides about a step that is just as long as the tolerance.
    assert (whole.steps - parts.steps).abs().max() <= 1
    assert torch.equal(whole.status, parts.status)
    # The step that one of them has more is at most `tol` long.
    assert torch.allclose(whole.end, parts.end, atol=2e-6)


def test_a_slow_orbit_holds_nobody_up():
    largest = []

    def f(z):
        largest.append(len(z))
        return torch.where(z > 10, 0.999 * z, 0.1 * z)

    Z = torch.ones(100, 1)
    Z[0] = 1e4
    mn.iterate(f, Z, batch_size=10)
    # After the construction's check: 99 orbits of 7 steps share nine places, then one goes on.
    assert max(largest) == 10
    assert sum(largest) < 99 * 10 + 10_000


def test_starts_are_not_changed_and_none_give_none():
    Z = torch.ones(3, 2)
    mn.iterate(lambda z: z / 2, Z)
    assert torch.equal(Z, torch.ones(3, 2))
    assert len(mn.iterate(lambda z: z / 2, torch.zeros(0, 2))) == 0


@pytest.mark.parametrize("option", [{"tol": 0.0}, {"tol": math.nan}, {"max_steps": 0}])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        mn.iterate(lambda z: z, torch.zeros(1, 2), **option)
    assert [refusal.value.field] == list(option)


def test_memory_does_not_grow_with_the_number_of_starts():
    f = mn.SelfMap(lambda z: z / 2, shape=(1000,))
    assert module.orbit_batch_size(f) <= module.BATCH


def test_looking_seldom_at_who_is_done_changes_no_orbit(known, dtype, monkeypatch):
    Z = starts(known, dtype, n=15)
    often = mn.iterate(known.self_map(dtype), Z, max_steps=300, batch_size=7)
    for stride in (2, module.LOOK, 50):
        monkeypatch.setattr(module, "_stride", lambda Z, stride=stride: stride)
        seldom = mn.iterate(known.self_map(dtype), Z, max_steps=300, batch_size=7)
        assert seldom.status.tolist() == often.status.tolist()
        assert seldom.period.tolist() == often.period.tolist()
        # The level of a state, which decides what counts as rounding, is looked at in other steps.
        # In single precision steps that are all rounding may end an orbit at one look or another.
        looks = 1 if dtype == torch.float64 else 4
        assert (seldom.steps - often.steps).abs().max() <= looks * module.LOOK
        if often.count(mn.Status.CONVERGED):
            assert torch.allclose(seldom.end, often.end, rtol=1e-4, atol=1e-4)


def test_looking_seldom_leads_to_the_same_attractors(monkeypatch):
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=64, depth=4).build(seed=0)
    X = mn.load_data("digits", n=5)
    mn.train(net, X)
    Z = mn.Starts("wide_gaussian", 400)
    often = mn.find_attractors(net, Z, X)
    monkeypatch.setattr(module, "_stride", lambda Z: module.LOOK)
    seldom = mn.find_attractors(net, Z, X)
    assert len(seldom.attractors) == len(often.attractors) >= 2
    # A start next to the border of two basins may converge earlier or later.
    assert (seldom.labels == often.labels).float().mean() >= 0.99


def test_orbits_that_do_not_settle_are_followed_side_by_side():
    """In pilots of `PILOT` orbits each this would take 4 times `max_steps` evaluations."""
    calls = []

    def f(z):
        """A logistic map in each entry, at a chaotic parameter."""
        calls.append(len(z))
        return 3.9 * z * (1 - z)

    generator = torch.Generator().manual_seed(0)
    Z = torch.rand(4 * module.PILOT, 2, generator=generator, dtype=torch.float64)
    orbits = mn.iterate(f, Z, max_steps=3000, landmarks=Z[:0])
    assert orbits.count(mn.Status.UNSETTLED) == len(Z)
    # Orbits that began late end late; then they are followed by leaps for a quarter of the steps.
    assert len(calls) < module.LONG + 3000 + 3000 / 4 + 100
