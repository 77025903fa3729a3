import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mnemoscope as mn
from mnemoscope.linalg import dense, leading
from tests.known_maps import KNOWN_MAPS

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


@pytest.fixture(params=["as chosen", "matrix-free", "dense"])
def method(request, monkeypatch):
    if request.param != "as chosen":
        size = 0 if request.param == "matrix-free" else 10_000
        monkeypatch.setattr(leading, "DENSE_EIGEN_SIZE", size)
        monkeypatch.setattr(leading, "DENSE_SINGULAR_SIZE", size)
    return request.param


def eigenvalue_tolerance(known, dtype):
    # A Jordan block of size b turns rounding eps into eps^(1/b), and so the residual's tolerance.
    rounding = max(torch.finfo(dtype).eps, 3e-6 if dtype == torch.float32 else 1e-10)
    return known.condition * rounding ** (1 / known.block)


def test_leading_eigenvalues_are_the_known_ones(known, dtype, method):
    k = known.eigenvalues.shape[1]
    found = mn.jacobian_eigenvalues(known.self_map(dtype), known.at.to(dtype), k)
    error = (found.values.abs().double() - known.eigenvalues).abs()
    assert error.max() <= eigenvalue_tolerance(known, dtype)
    assert found.converged.all()
    assert found.residual.shape == found.values.shape


def test_spectral_radius_is_the_first_modulus(known, dtype, method):
    radius = mn.spectral_radius(known.self_map(dtype), known.at.to(dtype))
    assert radius.shape == (len(known.at),)
    assert radius.dtype == dtype
    error = (radius.double() - known.eigenvalues[:, 0]).abs()
    assert error.max() <= eigenvalue_tolerance(known, dtype)


def test_operator_norm_is_the_largest_singular_value(known, dtype, method):
    norm = mn.operator_norm(known.self_map(dtype), known.at.to(dtype))
    # The residual bounds the error of a singular value; 3e-6 and 1e-10 are its tolerances.
    tolerance = 5e-6 if dtype == torch.float32 else 2e-10
    assert (norm.double() - known.norm).abs().max() <= tolerance * max(1, float(known.norm.max()))


def test_singular_values_agree_with_the_dense_ones(known, method):
    f = known.self_map(torch.float64)
    k = min(4, f.size)
    values = mn.jacobian_singular_values(f, known.at, k).values
    dense_values = torch.linalg.svdvals(f.linearize(known.at).dense())[:, :k]
    assert torch.allclose(values, dense_values, atol=1e-9)


NETWORKS = {
    "fully connected": mn.nets.FullyConnected(shape=(1, 8, 8), width=96, depth=4),
    "deep tanh": mn.nets.FullyConnected(
        shape=(1, 8, 8), width=64, depth=8, activation="tanh", init="xavier_uniform"
    ),
    "convolutional": mn.nets.Convolutional(shape=(1, 8, 8), channels=8, depth=4),
    "strided": mn.nets.Convolutional(shape=(1, 8, 8), channels=8, depth=4, downsample=2),
    "u-net": mn.nets.UNet(shape=(1, 8, 8), channels=4, levels=2),
    "fully connected, colour": mn.nets.FullyConnected(
        shape=(3, 16, 16), width=128, depth=6, init="kaiming_normal"
    ),
    "convolutional, colour": mn.nets.Convolutional(
        shape=(3, 16, 16), channels=6, depth=4, init="kaiming_normal"
    ),
    "u-net, colour": mn.nets.UNet(shape=(3, 16, 16), channels=4, levels=2, init="kaiming_normal"),
}


@pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
def test_networks_agree_with_dense_eigvals_to_1e_4(spec, monkeypatch):
    monkeypatch.setattr(leading, "DENSE_EIGEN_SIZE", 0)
    net = spec.build(seed=0)
    Z = torch.rand(3, *spec.shape, generator=torch.Generator().manual_seed(0))
    found = mn.jacobian_eigenvalues(net, Z, 1)
    J = mn.SelfMap(net).to(torch.float64).linearize(Z).dense()
    expected = torch.linalg.eigvals(J).abs().amax(1)
    assert ((found.radius.double() - expected) / expected).abs().max() <= 1e-4
    assert found.converged.all()
    assert (found.products < torch.tensor(spec.shape).prod()).all() or spec.shape == (1, 8, 8)


def test_float64_is_computed_in_float64_when_asked_for():
    net = mn.nets.FullyConnected(shape=(40,), width=30, depth=3).build(seed=1)
    Z = torch.rand(2, 40, generator=torch.Generator().manual_seed(0))
    radius = mn.spectral_radius(net, Z, dtype=torch.float64)
    J = mn.SelfMap(net).to(torch.float64).linearize(Z).dense()
    assert radius.dtype == torch.float64
    assert torch.allclose(radius, torch.linalg.eigvals(J).abs().amax(1), atol=1e-12)
    assert next(net.parameters()).dtype == torch.float32


def test_batches_change_nothing_but_memory():
    known = next(m for m in KNOWN_MAPS if m.name == "complex pair, large")
    f = known.self_map(torch.float64)
    Z = torch.cat([known.at, known.at])
    whole = mn.jacobian_eigenvalues(f, Z, 3).values
    parts = mn.jacobian_eigenvalues(f, Z, 3, batch_size=2).values
    assert torch.allclose(whole.abs(), parts.abs(), atol=1e-8)


def test_what_did_not_converge_says_so(monkeypatch):
    monkeypatch.setattr(leading, "DENSE_EIGEN_SIZE", 0)
    known = next(m for m in KNOWN_MAPS if m.name == "real spectrum, large")
    f = known.self_map(torch.float64)
    found = mn.jacobian_eigenvalues(f, known.at, 1, max_products=5)
    assert not found.converged.any()
    assert (found.products == 5).all()
    with pytest.warns(mn.ConvergenceWarning, match="3 of 3 states"):
        mn.spectral_radius(f, known.at, max_products=5)


def test_a_nan_jacobian_is_reported_and_spoils_no_other(method):
    f = mn.SelfMap(lambda z: z.sqrt(), shape=(4,), dtype=torch.float64)
    Z = torch.tensor([[0.25] * 4, [-1.0] * 4], dtype=torch.float64)
    found = mn.jacobian_eigenvalues(f, Z, 1)
    assert float(found.radius[0]) == pytest.approx(1.0)
    assert math.isnan(float(found.radius[1]))
    assert found.converged[:, 0].tolist() == [True, False]


@pytest.mark.parametrize("k", [0, 6])
def test_k_out_of_range_is_refused(k):
    for measure in (mn.spectrum, mn.jacobian_eigenvalues, mn.jacobian_singular_values):
        with pytest.raises(mn.MnemoscopeError) as refusal:
            measure(lambda z: z, torch.zeros(1, 5), k)
        assert refusal.value.field == "k"


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="max_product"):
        mn.spectral_radius(lambda z: z, torch.zeros(1, 5), max_product=5)
    with pytest.raises(TypeError, match="max_product"):
        mn.spectrum(lambda z: z, torch.zeros(1, 5), max_product=5)


def test_no_states_give_no_values():
    assert mn.spectral_radius(lambda z: z, torch.zeros(0, 5)).shape == (0,)
    assert mn.operator_norm(lambda z: z, torch.zeros(0, 200)).shape == (0,)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple),
    n=st.integers(1, 4),
    single=st.booleans(),
)
def test_any_shape_and_dtype_of_state(shape, n, single):
    dtype = torch.float32 if single else torch.float64
    Z = torch.linspace(-1, 1, n * math.prod(shape), dtype=dtype).reshape(n, *shape)
    # The Jacobian of z^2 is diagonal with entries 2 z.
    f = mn.SelfMap(lambda z: z * z, shape, dtype=dtype)
    expected = 2 * Z.abs().flatten(1).amax(1)
    assert torch.allclose(mn.spectral_radius(f, Z), expected, atol=1e-5)
    assert torch.allclose(mn.operator_norm(f, Z), expected, atol=1e-5)


def test_dense_residuals_are_those_of_the_pairs():
    A = torch.tensor([[0.5, 1.0], [0.0, 0.25]], dtype=torch.float64)
    f = mn.SelfMap(lambda z: z @ A.T, (2,), dtype=torch.float64)
    found = dense.dense_eigenvalues(f.linearize(torch.zeros(1, 2)), 2, residuals=True)
    assert found.residual.max() < 1e-15
