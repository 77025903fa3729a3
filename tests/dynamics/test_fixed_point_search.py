"""All fixed points, attracting and not, over maps whose fixed points are known."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.unit import unit_of_starts
from mnemoscope.dynamics import find_fixed_points
from mnemoscope.dynamics.states import nearest
from tests.known_maps import DTYPES, KNOWN_MAPS

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def drawn(n, *shape, dtype=torch.float64, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(n, *shape, generator=generator, dtype=torch.float64)).to(dtype)


STARTS = 100


def search(known, dtype, n=STARTS):
    return find_fixed_points(known.self_map(dtype), drawn(n, *known.shape, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("known", KNOWN_MAPS, ids=str)
def test_every_point_returned_is_a_fixed_point_and_those_that_attract_are_known(known, dtype):
    found = search(known, dtype)
    f = known.self_map(dtype)
    if len(found.points):
        unit = unit_of_starts(drawn(STARTS, *known.shape, dtype=dtype))
        size = found.points.flatten(1).abs().amax(1).clamp_min(unit)
        # The floor at which `refine` counts a point as settled.
        assert bool((f.residual(found.points) <= 16 * torch.finfo(dtype).eps * size).all())
    own = [states for states in known.attractors if len(states) == 1]
    attracting = found.points[found.attracting]
    assert len(attracting) == len(own)
    for states in own:
        away = (attracting.double() - states).flatten(1).square().mean(1).sqrt()
        assert float(away.min()) <= 1e-4
    assert bool((found.spectral_radius[found.attracting] < 1).all())
    assert found.labels.shape == (STARTS,)
    hits = torch.bincount(found.labels[found.labels >= 0], minlength=len(found.points))
    assert torch.equal(hits, found.count)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_all_of_three_to_the_d_are_found(d, dtype):
    # Every entry of a fixed point of tanh(2 z) is -0.9575, 0 or 0.9575; without a 0 it attracts.
    f = mn.SelfMap(lambda z: torch.tanh(2 * z), shape=(d,), dtype=dtype)
    found = find_fixed_points(f, drawn(500, d, dtype=dtype))
    assert len(found.points) == 3**d
    assert int(found.attracting.sum()) == 2**d
    zeros = (found.points.abs() < 1e-3).sum(1)
    assert torch.equal(found.attracting, zeros == 0)
    # The Jacobian is diagonal: 2 at an entry of 0, 0.166 elsewhere.
    assert torch.allclose(found.spectral_radius[zeros > 0], torch.full((), 2.0, dtype=dtype))
    # tanh is bounded, so the signs of det(1 - J) add up to 1 if and only if none is missing.
    assert found.degree == 1


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_repelling_point_is_found(dtype):
    f = mn.SelfMap(lambda z: 2 * z, shape=(3,), dtype=dtype)
    found = find_fixed_points(f, drawn(20, 3, dtype=dtype))
    assert found.points.abs().max() < 1e-5
    assert found.attracting.tolist() == [False]
    assert found.spectral_radius.tolist() == pytest.approx([2.0])


@pytest.mark.parametrize("f", [lambda z: z, lambda z: z * torch.tensor([1.0, 0.0])])
def test_a_continuum_of_fixed_points_ends_and_none_attracts(f):
    found = find_fixed_points(f, drawn(100, 2, dtype=torch.float32))
    assert len(found.points) > 0
    assert not bool(found.attracting.any())


def memorized():
    X = mn.load_data("digits", n=6)
    net = mn.nets.FullyConnected(shape=(1, 8, 8), width=12, depth=4, activation="sigmoid").build(
        seed=0
    )
    mn.train(net, X, mn.TrainingOptions(tol=1e-6))
    return net.eval(), X


def test_what_gradient_descent_finds_is_among_what_is_found():
    net, _ = memorized()
    Z = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = find_fixed_points(net, Z)
    z = Z.clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.3)
    for step in range(1500):
        adam.param_groups[0]["lr"] = 0.3 * 0.01 ** (step / 1500)
        (z.grad,) = torch.autograd.grad((net(z) - z).square().sum(), z)
        adam.step()
    refined = mn.refine(net, z.detach()[mn.SelfMap(net).residual(z) < 1e-3])
    theirs = refined.points[refined.settled]
    assert len(theirs) > 0
    assert float(nearest(theirs, found.points)[1].max()) <= 1e-3


def test_the_attractors_of_a_network_are_those_of_a_census():
    net, X = memorized()
    Z = torch.rand(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    census = mn.find_attractors(net, torch.cat([Z, X]))
    found = find_fixed_points(net, torch.cat([Z, X]))
    fixed = census.attractors[census.period == 1]
    assert len(fixed) > 0
    index, distance = nearest(fixed, found.points)
    assert float(distance.max()) <= 1e-3
    assert bool(found.attracting[index].all())
    # In coordinates of the image or not, the map is the same.
    whole = find_fixed_points(lambda z: net(z), torch.cat([Z, X]))
    assert float(nearest(fixed, whole.points)[1].max()) <= 1e-3


@pytest.mark.parametrize("options", [{"tol": 0.0}, {"resolution": -1.0}, {"max_steps": 0}], ids=str)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(mn.MnemoscopeError) as refusal:
        find_fixed_points(lambda z: z, torch.zeros(2, 3), **options)
    assert [refusal.value.field] == list(options)
