"""A map in coordinates of the space it maps into, compared with the map itself."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.maps import image_space
from mnemoscope.maps.linearization import ChainLinearization
from tests.known_maps import DTYPES

FIELDS = [
    {},
    {"activation": "sigmoid"},
    {"bias": False},
    {"init": "ntk"},
    {"depth": 2},
    {"width": (12, 5)},
]


def self_map(dtype=torch.float64, **fields):
    spec = mn.nets.FullyConnected(**{"shape": (2, 5, 4), "width": 6, "depth": 3, **fields})
    return mn.SelfMap(spec.build(seed=3, dtype=dtype))


def states(n, dtype=torch.float64, seed=0):
    return torch.randn(n, 2, 5, 4, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_it_is_the_same_map_with_the_same_distances(fields, dtype):
    f, Z = self_map(dtype, **fields), states(7, dtype)
    space = image_space(f)
    assert space is not None
    close = {"rtol": 0, "atol": 100 * torch.finfo(dtype).eps}
    eye = torch.eye(len(space.basis), dtype=dtype)
    assert torch.allclose(space.basis @ space.basis.T, eye, **close)
    Y = space.image(Z)
    assert torch.allclose(space.states(Y), f(Z), **close)
    assert torch.allclose(space.coordinates(f(Z)), Y, **close)
    assert torch.allclose(space.states(space.map(Y)), f(f(Z)), **close)
    step, same = (f(f(Z)) - f(Z)).flatten(1), space.map(Y) - Y
    assert torch.allclose(step.norm(dim=1), same.norm(dim=1), **close)
    rms = step.square().mean(1).sqrt()
    assert torch.allclose(same.square().mean(1).sqrt(), rms * space.scale, **close)


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_the_eigenvalues_but_zeros_are_the_jacobians(fields):
    f, Z = self_map(**fields), states(3)
    space, linear = image_space(f), f.linearize(Z)
    assert space is not None
    assert isinstance(linear, ChainLinearization)
    small = linear.compressed(space.basis).dense()
    J = linear.dense()
    # Sums of at most 40 products of order 1, a few layers.
    assert torch.allclose(small, space.basis @ J @ space.basis.T, rtol=0, atol=1e-13)
    r = len(space.basis)
    whole = torch.linalg.eigvals(J).abs().sort(dim=1, descending=True).values
    part = torch.linalg.eigvals(small).abs().sort(dim=1, descending=True).values
    # Eigenvalues of a matrix that is not normal, a product of three with entries of order 1.
    assert torch.allclose(whole[:, : r - 1], part[:, : r - 1], rtol=0, atol=1e-6)
    assert float(whole[:, r:].max()) < 1e-6


@pytest.mark.parametrize(
    "fields",
    [{"width": 20}, {"depth": 1}, {"output_activation": "sigmoid"}, {"width": (4, 10)}],
    ids=["as wide as a state", "one layer", "an output activation", "a wide last layer"],
)
def test_where_nothing_is_gained_there_is_none(fields):
    assert image_space(self_map(**fields)) is None


def test_other_maps_have_none():
    assert image_space(mn.SelfMap(lambda z: z, shape=(40,))) is None
    assert image_space(self_map() ** 2) is None
    conv = mn.nets.Convolutional(shape=(1, 8, 8), channels=2, depth=2).build(seed=0)
    assert image_space(mn.SelfMap(conv)) is None


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_orbits_are_the_same(dtype, monkeypatch):
    X = mn.load_data("digits", n=6).to(dtype)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=14, depth=4, activation="tanh")
    net = spec.build(seed=0, dtype=dtype)
    mn.train(net, X, mn.TrainingOptions(tol=1e-6))
    Z = 2 * torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)
    Z[0], Z[1] = torch.inf, torch.nan
    assert image_space(mn.SelfMap(net)) is not None
    short, landmarks = mn.iterate(net, Z), mn.iterate(net, Z, landmarks=Z[:0])
    census = mn.find_attractors(net, Z, X)
    # Without coordinates: the plain way.
    monkeypatch.setattr("mnemoscope.dynamics.orbits.image_space", lambda f: None)
    plain = mn.iterate(net, Z)
    assert torch.equal(short.status, plain.status)
    assert torch.equal(landmarks.status, plain.status)
    assert torch.equal(short.period, plain.period)
    settled = plain.status == mn.Status.CONVERGED
    assert int(settled.sum()) > 100
    # A step more or less, where the one that ends the orbit is at the threshold.
    assert int((short.steps - plain.steps)[settled].abs().max()) <= 2
    for other in (short, landmarks):
        away = (other.end - plain.end)[settled].flatten(1).square().mean(1).sqrt()
        # Each end is within tol / (1 - rho) of its attractor.
        assert float(away.max()) <= 1e-4
        assert float(other.residual[settled].max()) <= 2e-6
    lost = plain.status == mn.Status.DIVERGED
    assert torch.equal(short.end[lost].isnan(), plain.end[lost].isnan())
    same = mn.find_attractors(net, Z, X)
    assert len(same.period) == len(census.period)
    assert torch.allclose(same.basin_fraction, census.basin_fraction, atol=0.02)


@pytest.mark.parametrize("k", [1, 6, 15])
def test_spectra_are_the_dense_ones(k):
    spec = mn.nets.FullyConnected(shape=(1, 20, 20), width=80, depth=3)
    f = mn.SelfMap(spec.build(seed=0, dtype=torch.float64))
    Z = torch.rand(3, 1, 20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert image_space(f) is not None
    found = mn.jacobian_eigenvalues(f, Z, k)
    dense = torch.linalg.eigvals(f.linearize(Z).dense()).abs().sort(dim=1, descending=True).values
    assert bool(found.converged.all())
    assert torch.allclose(found.values.abs(), dense[:, :k], rtol=1e-7)
