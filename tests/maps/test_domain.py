"""Maps of some states only: by bounds, and by what they raise."""

import math

import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.maps import check_map
from mnemoscope.maps.differences import off_the_edge
from mnemoscope.maps.domain import Domain, checked_domain
from mnemoscope.maps.feature_units import in_feature_units


def drawn(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


class Counted:
    """Halves states that are not negative, and raises for others; its batches are counted."""

    def __init__(self, error=ValueError):
        self.sizes, self.error = [], error

    def __call__(self, z):
        self.sizes.append(len(z))
        if (z < 0).any():
            raise self.error("counts are not negative")
        return z / 2


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [
        ((0, 1), 0, 1),
        ((0, None), 0, math.inf),
        ([None, 3], -math.inf, 3),
        ((0, math.inf), 0, math.inf),
    ],
)
def test_bounds_are_read(given, low, high):
    domain = checked_domain(given)
    assert (domain.low, domain.high) == (low, high)


@pytest.mark.parametrize("given", [(1, 0), (0, 0), (0,), (0, 1, 2), 3, ("a", 1), (math.nan, 1)])
def test_what_is_no_domain_is_refused(given):
    with pytest.raises(mn.MnemoscopeError, match="domain="):
        mn.SelfMap(lambda z: z / 2, (3,), domain=given)


def test_no_bounds_are_no_domain():
    assert checked_domain(None) is None
    assert checked_domain((None, None)) is None


def test_states_in_a_box_and_moved_into_it():
    box = Domain(0.0, 1.0)
    Z = torch.tensor([[0.0, 1.0], [-0.1, 0.5], [0.5, math.nan], [0.5, 2.0]])
    assert box.holds(Z).tolist() == [True, False, False, False]
    assert box.clipped(Z[:2]).tolist() == [[0.0, 1.0], [0.0, 0.5]]
    reach = torch.tensor([[0.1, 0.3]])
    inside = box.clipped(Z[[0, 1, 3]], reach)
    assert bool(box.holds(inside + reach).all() and box.holds(inside - reach).all())
    # Narrower than the difference: its middle.
    assert box.clipped(Z[:1], 2.0).tolist() == [pytest.approx([0.5, 0.5])]
    half = Domain(0.0, math.inf).clipped(torch.tensor([[-3.0, 5.0]]), 1.0)
    assert half.tolist() == [pytest.approx([1.0, 5.0])]


def test_outside_its_bounds_a_map_has_no_value_and_no_derivative():
    f = mn.SelfMap(lambda z: z / 2, (2,), domain=(0, 1))
    Z = torch.tensor([[0.2, 0.4], [0.2, -0.1], [1.0, 0.0]])
    values, outside = f.images(Z)
    assert outside.tolist() == [False, True, False]
    assert values[[0, 2]].tolist() == (Z[[0, 2]] / 2).tolist()
    assert bool(values[1].isnan().all())
    pushed = f.jvp(Z, torch.ones_like(Z))
    # At a bound too, the derivative is that of the map.
    assert pushed[[0, 2]].tolist() == [[0.5, 0.5]] * 2
    assert bool(pushed[1].isnan().all())


def test_a_power_is_defined_where_every_step_is():
    f = mn.SelfMap(lambda z: 2 * z, (1,), domain=(0, 1))
    values, outside = (f**3).images(torch.tensor([[0.1], [0.3], [0.6]]))
    assert outside.tolist() == [False, True, True]
    assert float(values[0]) == pytest.approx(0.8)


def test_bounds_go_with_the_map():
    f = mn.SelfMap(nn.Linear(3, 3), (3,), domain=(-1, 1))
    for other in (f.with_unit(2.0), f.to(torch.float64), mn.SelfMap(f), f**2):
        assert other.domain == f.domain
    assert f.with_domain(None).domain is None


def test_bounds_in_units_of_features():
    units = torch.tensor([1.0, 10.0])
    f = in_feature_units(mn.SelfMap(lambda z: z / 2, (2,), domain=(0, 5)), units)
    assert f.images(torch.tensor([[4.0, 0.4], [4.0, 0.6], [6.0, 0.1]])).outside.tolist() == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("bad", [[0], [499], [3, 4, 400], list(range(0, 1000, 50))])
def test_states_that_a_map_refuses_are_found_in_few_evaluations(bad):
    counted = Counted()
    f = mn.SelfMap(counted, (6,))
    Z = drawn(1000, 6)
    Z[bad] -= 2
    counted.sizes.clear()
    values, outside = f.images(Z)
    assert outside.nonzero()[:, 0].tolist() == bad
    assert torch.equal(values[~outside], Z[~outside] / 2)
    # The batch, both halves at each level for each bad state, and a state that is known to work.
    assert len(counted.sizes) <= 2 + 2 * len(bad) * math.ceil(math.log2(2000 / len(bad)))


def test_a_map_that_never_raises_is_evaluated_once():
    counted = Counted()
    f = mn.SelfMap(counted, (6,))
    f(drawn(2, 6))  # The memory that it takes is measured once.
    counted.sizes.clear()
    f(drawn(1000, 6))
    assert counted.sizes == [1000]


def test_a_batch_of_which_all_are_refused():
    f = mn.SelfMap(Counted(), (6,))
    assert bool(f.images(-1 - drawn(9, 6)).outside.all())
    assert f.images(-1 - drawn(1, 6)).outside.tolist() == [True]
    assert f.findings.refused == "ValueError: counts are not negative"


def test_what_is_no_matter_of_states_stays_an_error():
    """A service that is gone, and a map that fails on large batches only."""
    gone = mn.SelfMap(Counted(ConnectionError), (6,))
    with pytest.raises(mn.MnemoscopeError, match="not negative") as caught:
        gone(-drawn(8, 6))
    assert isinstance(caught.value.__cause__, ConnectionError)

    def small(z):
        if len(z) > 4:
            raise RuntimeError("no more than 4")
        return z / 2

    with pytest.raises(mn.MnemoscopeError, match=r"\(8, 6\): RuntimeError: no more than 4"):
        mn.SelfMap(small, (6,))(drawn(8, 6))


def test_a_map_that_fails_from_now_on_is_not_taken_to_refuse_states():
    broken = []

    def f(z):
        if broken:
            raise RuntimeError("the session is closed")
        return z / 2

    f = mn.SelfMap(f, (6,))
    broken.append(1)
    with pytest.raises(mn.MnemoscopeError, match="session is closed") as caught:
        f(drawn(8, 6))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_map_that_raises_for_everything_fails_with_its_cause():
    def never(z):
        raise KeyError("no such layer")

    with pytest.raises(mn.MnemoscopeError, match="KeyError: 'no such layer'") as caught:
        mn.audit(never, drawn(3, 6), starts=10, trials=1)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_map_that_raises_for_its_examples_fails_with_its_cause():
    for X in (drawn(3, 6) - 2, torch.cat([drawn(4, 6), -drawn(1, 6), drawn(4, 6)])):
        with pytest.raises(mn.MnemoscopeError, match="counts are not negative") as caught:
            mn.audit(Counted(), X, starts=10, trials=1)
        assert isinstance(caught.value.__cause__, ValueError)


def test_states_to_be_measured_must_lie_in_the_bounds():
    f = mn.SelfMap(nn.Linear(6, 6), (6,), domain=(0, None))
    Z = drawn(5, 6)
    Z[3] -= 2
    for measure in (mn.spectral_radius, mn.operator_norm, check_map):
        with pytest.raises(mn.MnemoscopeError, match=r"state 3, .*domain, "):
            measure(f, Z)
    with pytest.raises(mn.MnemoscopeError, match=r"example 3, .*domain, "):
        mn.audit(f, Z, starts=10, trials=1)
    with pytest.raises(mn.MnemoscopeError, match=r"held-out example 3, .*domain, "):
        mn.audit(f, Z[:3], held_out=Z, starts=10, trials=1)


@pytest.mark.parametrize("least", [1, 2])
def test_a_map_that_does_not_take_0(least):
    """It is tried at other constant states, with bounds at the one nearest to 0."""

    def logarithm(z):
        if (z < least).any():
            raise ValueError("too small")
        return 1 + z.log()

    if least == 1:
        f = mn.SelfMap(logarithm, (3,))
        assert float(mn.spectral_radius(f, torch.full((1, 3), 2.0))) == pytest.approx(0.5)
        return

    with pytest.raises(mn.MnemoscopeError, match="--domain"):
        mn.SelfMap(logarithm, (3,))
    f = mn.SelfMap(logarithm, (3,), domain=(least, None))
    assert float(mn.spectral_radius(f, torch.full((1, 3), 4.0))) == pytest.approx(0.25)


class CutOff(nn.Module):
    """Not negative, and with a part that its derivative does not know."""

    def forward(self, z):
        if (z < 0).any():
            raise ValueError("negative")
        return 0.3 * z + 0.3 * z.detach()


@pytest.mark.parametrize("domain", [None, (0, None)])
def test_derivatives_are_checked_at_the_edge_too(domain):
    X = torch.zeros(3, 6)
    X[:, ::2] = drawn(3, 3)
    with pytest.raises(mn.MnemoscopeError, match="derivatives are not those of its values"):
        mn.spectral_radius(mn.SelfMap(CutOff(), (6,), domain=domain), X)
    rate = mn.spectral_radius(mn.SelfMap(Counted(), (6,), domain=domain), X)
    assert rate.tolist() == pytest.approx([0.5] * 3)


@pytest.mark.parametrize("domain", [None, (0, None)])
def test_steps_are_found_at_the_edge_too(domain):
    def rounded(z):
        if (z < 0).any():
            raise ValueError("negative")
        return (z * 20).round() / 40

    f = mn.SelfMap(
        mn.BlackBox(lambda z: rounded(torch.from_numpy(z)).numpy()), (16,), domain=domain
    )
    X = drawn(3, 16)
    X[:, :4] = 0
    check_map(f, X)
    assert f.resolution.kind == "quantized"
    assert f.resolution.entry == pytest.approx(1 / 40, rel=0.05)


def test_base_points_leave_room_for_differences():
    f = mn.SelfMap(Counted(), (6,))
    check_map(f, drawn(5, 6))
    f(-drawn(1, 6))
    Z, reach = torch.zeros(2, 6), torch.full((2, 6), 1e-3)
    moved = off_the_edge(f, Z, reach)
    assert bool((moved >= 1e-3).all())
    # By no more than the share of the way to the middle, of at most 1, that is tried first or next.
    assert float(moved.max()) <= 1 / 64
