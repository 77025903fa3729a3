import pytest
import torch
from torch import nn

import mnemoscope as mn
from mnemoscope.linalg.dense_bounds import enclosed, enclosed_unless_expanding
from tests.linalg import matrices as m

pytestmark = [
    pytest.mark.usefixtures("global_generator_untouched"),
    pytest.mark.filterwarnings("ignore::mnemoscope.linalg.AccuracyWarning"),
]

EPS = torch.finfo(torch.float64).eps


class Linear(nn.Module):
    """A linear map with parameters, so that a float32 one can be converted to float64."""

    def __init__(self, A):
        super().__init__()
        self.A = nn.Parameter(A)

    def forward(self, z):
        return z @ self.A.T


def linear(A, dtype=torch.float64):
    return mn.SelfMap(Linear(A.to(dtype)), (len(A),))


def spectrum_of(A, k=1, **options):
    d = len(A)
    k = min(k, d)
    return mn.spectrum(linear(A), torch.zeros(1, d), k, **options)


SMALL = {
    "grcar": m.grcar(16),
    "grcar transposed": m.grcar(16).T,
    "shift": m.shift(16),
    "jordan": m.jordan(16, 0.9),
    "jordan, negative": m.jordan(15, -0.95, -1.0),
    "frank": m.frank(12),
    "kahan": m.kahan(16),
    "convection-diffusion": m.convection_diffusion(16),
    "companion": m.companion(16),
    "random": m.random(12),
    "symmetric": m.random(12) + m.random(12).T,
    "rotation": m.rotation(12),
    "identity": torch.eye(6).double(),
    "zero": torch.zeros(5, 5).double(),
    "equal moduli": torch.roll(torch.eye(6), 1, 0).double() * 0.9,
    "rank one": torch.outer(m.random(12)[0], m.random(12)[1]),
    "hidden jordan": m.rotated(m.jordan(6, 0.5, 0.3)),
    "two blocks": torch.block_diag(m.jordan(4, 0.5), m.random(5)) + m.shift(9, 0.1),
}


@pytest.mark.parametrize("A", SMALL.values(), ids=SMALL)
def test_the_true_values_lie_within_the_bounds(A):
    k = min(4, len(A))
    true = m.exact(A)
    found = spectrum_of(A, k)
    distance = (found.values[0][:, None] - true[None]).abs()
    # What mpmath gives is rounded to float64 here.
    assert (distance.amin(1) <= found.error_bound[0] + EPS * true.abs().max()).all()
    moduli = true.abs()[:k]
    off = (found.values.abs()[0] - moduli).abs()
    assert (off <= found.error_bound[0] + EPS * moduli.max()).all()
    assert float(found.upper[0]) >= float(moduli[0]) * (1 - EPS)


CONTRACTIVE = {
    "grcar / 4": m.grcar(100),
    "grcar / 4 transposed": m.grcar(100).T,
    "grcar, larger": 1.6 * m.grcar(250),
    "grcar, radius .95": m.grcar(100) * (0.95 / 0.5657314089151),
    "shift": m.shift(120),
    "shift, larger": m.shift(300, 5.0),
    "jordan .95": m.jordan(100, 0.95),
    "jordan -.95": m.jordan(64, -0.95, -2.0),
    "hidden shift": m.rotated(m.shift(100)),
    "hidden jordan": m.rotated(m.jordan(100, 0.5, 0.3)),
    "convection-diffusion": m.convection_diffusion(150),
    "companion": m.companion(80),
    "kahan": 0.99 * m.kahan(90),
    "random": m.random(90, radius=0.8),
}


@pytest.mark.parametrize("A", CONTRACTIVE.values(), ids=CONTRACTIVE)
def test_what_contracts_comes_out_as_contractive(A):
    found = spectrum_of(A)
    assert found.contractive.tolist() == [True]
    assert found.expanding.tolist() == [False]
    assert not found.estimated.any()


NOT_CONTRACTIVE = {
    "identity": (torch.eye(40), False),
    "rotation": (m.rotation(40), False),
    "permutation": (torch.roll(torch.eye(30), 1, 0), False),
    "negative identity": (-torch.eye(3), False),
    "grcar, radius 1.05": (m.grcar(100) * (1.05 / 0.5657314089151), True),
    "jordan 1.01": (m.jordan(50, 1.01), True),
    "random": (m.random(80, radius=1.5), True),
    "a pair": (torch.tensor([[0.0, -1.1], [1.1, 0.0]]), True),
    "one of many": (torch.diag(torch.tensor([1.0001, *[0.5] * 30])), True),
}


@pytest.mark.parametrize(("A", "expanding"), NOT_CONTRACTIVE.values(), ids=NOT_CONTRACTIVE.keys())
def test_what_does_not_contract_never_does(A, expanding):
    found = spectrum_of(A.double())
    assert found.contractive.tolist() == [False]
    assert found.expanding.tolist() == [expanding]


def test_a_nilpotent_shift_has_no_other_value_than_0():
    found = spectrum_of(m.shift(120), 2)
    assert found.values.abs().max() == 0
    assert found.error_bound.max() == 0
    assert found.upper.tolist() == [0]
    # By powers alone too: J^128 is 0.
    bound = bounded_powers(m.shift(120))
    assert bound < 1 + 1e-9


def bounded_powers(A):
    from mnemoscope.linalg.powers import power_bounds

    nothing = torch.zeros(1, dtype=torch.float64)
    return float(power_bounds(A[None], nothing, nothing)[0])


def test_grcar_of_size_100_agrees_with_its_characteristic_polynomial():
    A = m.grcar(100)
    found = spectrum_of(A, 4)
    assert float(found.radius[0]) == pytest.approx(0.565731, abs=5e-7)
    for value, bound in zip(found.values[0].tolist(), found.error_bound[0].tolist(), strict=True):
        assert abs(m.refined_hessenberg(A, value) - value) <= bound + EPS
    assert (found.condition > 1e10).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["random", "normal", "symmetric"])
def test_where_values_are_well_conditioned_the_bound_is_narrow(kind, seed):
    A = m.random(12, seed)
    if kind == "symmetric":
        A = A + A.T
    if kind == "normal":
        Q = m.rotation(12, seed)
        A = Q @ torch.diag(torch.linspace(0.2, 0.9, 12).double()) @ Q.T
    found = spectrum_of(A, 3)
    assert (found.condition < 1e3).all()
    true = m.exact(A)
    error = (found.values[0][:, None] - true[None]).abs().amin(1)
    rounding = EPS * torch.linalg.matrix_norm(A, 2) * found.condition[0]
    assert (error <= found.error_bound[0]).all()
    assert (found.error_bound[0] <= 100 * (error + rounding)).all()


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_conditions_are_those_of_left_and_right_vectors(factor):
    A = factor * m.random(20, 3)
    found = spectrum_of(A, 3)
    values, X = torch.linalg.eig(A)
    order = values.abs().argsort(descending=True)[:3]
    Y = torch.linalg.inv(X)
    condition = torch.linalg.vector_norm(Y, dim=1)[order]
    assert found.condition[0].sort().values.numpy() == pytest.approx(
        condition.sort().values.numpy(), rel=1e-6
    )


def test_float32_maps_are_bounded_in_float64():
    A = m.random(40).float()
    found = mn.spectrum(linear(A, torch.float32), torch.zeros(1, 40), 2)
    assert found.values.dtype == torch.complex128
    assert (found.error_bound < 1e-12).all()
    # A callable with float32 tensors of its own only works in float32: what rounding does counts.
    of_its_own = mn.spectrum(lambda z: z @ A.T, torch.zeros(1, 40), 2)
    assert ((found.radius - of_its_own.radius).abs() <= of_its_own.error_bound[:, 0]).all()
    assert (of_its_own.error_bound > 1e-9).all()
    for A in (m.jordan(50, 0.95).float(), m.shift(90).float(), m.grcar(100).float()):
        found = mn.spectrum(lambda z, A=A: z @ A.T, torch.zeros(1, len(A)), 1)
        assert found.contractive.tolist() == [True]


def test_narrow_layers_give_the_values_of_the_whole_jacobian():
    spec = mn.nets.FullyConnected(shape=(1, 6, 6), width=20, depth=4, activation="tanh")
    net = spec.build(seed=0)
    Z = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    found = mn.spectrum(net, Z, 24)
    J = mn.SelfMap(net).to(torch.float64).linearize(Z).dense()
    values, X = torch.linalg.eig(J)
    order = values.abs().argsort(dim=1, descending=True)
    expected = values.abs().gather(1, order)
    assert torch.allclose(found.values.abs()[:, :20], expected[:, :20], atol=1e-12)
    assert (found.values[:, 20:] == 0).all()
    condition = torch.linalg.vector_norm(torch.linalg.inv(X), dim=2).gather(1, order)[:, :3]
    assert found.condition[:, :3].numpy() == pytest.approx(condition.numpy(), rel=1e-6)
    assert (found.residual[:, :3] < 1e-15).all()


def test_states_of_one_batch_may_have_other_jacobians():
    # The Jacobian of z^2 / 2 is diagonal with the entries of z.
    f = mn.SelfMap(lambda z: z * z / 2, (3,), dtype=torch.float64)
    Z = torch.tensor([[0.5, 0.2, 0.1], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, -1.0, 0.3]]).double()
    found = mn.spectrum(f, Z, 2)
    assert found.radius.tolist() == pytest.approx([0.5, 2.0, 0.0, 1.0], abs=1e-10)
    assert found.contractive.tolist() == [True, False, True, False]
    assert found.expanding.tolist() == [False, True, False, False]
    parts = mn.spectrum(f, Z, 2, batch_size=1)
    # Batches of other sizes may round otherwise; float64 and values of order 1.
    assert torch.allclose(parts.values.abs(), found.values.abs(), rtol=0, atol=1e-10)
    assert len(mn.spectrum(f, Z[:0], 2)) == 0


def test_nothing_is_known_of_a_nan_jacobian_and_it_spoils_no_other():
    f = mn.SelfMap(lambda z: z.sqrt() / 2, (4,), dtype=torch.float64)
    Z = torch.tensor([[0.25] * 4, [-1.0] * 4, [0.0] * 4], dtype=torch.float64)
    found = mn.spectrum(f, Z, 1)
    assert found.radius[0] == 0.5
    assert torch.isnan(found.values.abs()[1:]).all()
    assert torch.isinf(found.upper[1:]).all()
    assert found.contractive.tolist() == [True, False, False]
    assert found.converged[:, 0].tolist() == [True, False, False]


def test_a_causal_map_has_the_values_of_its_steps():
    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.r, self.o = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, z):
            return self.o(self.r(z)[0])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Sequence()
    Z = torch.rand(3, 10, 3, generator=torch.Generator().manual_seed(0))
    f = mn.SelfMap(net.double(), (10, 3))
    J = f.linearize(Z).dense()
    blocks = torch.stack([J[:, 3 * t : 3 * t + 3, 3 * t : 3 * t + 3] for t in range(10)], 1)
    expected = torch.linalg.eigvals(blocks).abs().flatten(1).amax(1)
    assert torch.allclose(mn.spectral_radius(f, Z), expected, rtol=1e-12)
    found = mn.spectrum(f, Z, 1)
    assert torch.allclose(found.radius, expected, rtol=1e-12)
    assert (found.error_bound < 1e-12).all()
    assert (found.condition > 1e4).all()


def block_triangular(values):
    """A cheap map of many entries: diagonal, and its first half moves the second."""
    values = torch.as_tensor(values, dtype=torch.float64)
    half = len(values) // 2

    def f(z):
        return values * z + 0.01 * torch.cat([0 * z[:, :half], z[:, :half]], 1)

    return mn.SelfMap(f, (2 * half,), dtype=torch.float64)


@pytest.mark.parametrize("top", [0.95, -0.9, 1.2])
def test_large_jacobians_are_bounded_by_products(top):
    values = torch.linspace(0, 0.3, 1500).double()
    values[700], values[800] = top, 0.6
    f = block_triangular(values)
    Z = torch.zeros(2, 1500)
    found = mn.spectrum(f, Z, 2)
    true = torch.tensor([top, 0.6], dtype=torch.float64)
    assert ((found.values - true).abs() <= found.error_bound).all()
    assert (found.error_bound[:, 0] < 1e-6).all()
    assert found.converged[:, 0].all()
    assert found.contractive.tolist() == [abs(top) < 1] * 2
    assert found.expanding.tolist() == [abs(top) > 1] * 2
    assert not found.estimated.any()


def test_without_left_vectors_the_bound_is_an_estimate(monkeypatch):
    values = torch.linspace(0, 0.3, 1500).double()
    f = block_triangular(values)
    monkeypatch.setattr(mn.SelfMap, "reversible", False)
    found = mn.spectrum(f, torch.zeros(2, 1500), 1, max_products=200)
    assert found.estimated.all()
    assert torch.isnan(found.condition).all()
    assert (found.upper >= found.radius).all()
    assert found.contractive.all()


def test_a_missed_value_is_found_by_the_second_start(monkeypatch):
    from mnemoscope.linalg import product_bounds

    values = torch.linspace(0, 0.3, 1500).double()
    values[5], values[900] = 0.9, 0.6
    f = block_triangular(values)
    whole = product_bounds.leading_eigenvalues
    calls = []

    def blind_at_first(products_at, like, **options):
        found = whole(products_at, like, **options)
        if not calls:
            calls.append(1)
            found.values[:, 0] = 0.3
            found.vectors[:, 0] = found.vectors[:, 1]
        return found

    monkeypatch.setattr(product_bounds, "leading_eigenvalues", blind_at_first)
    found = mn.spectrum(f, torch.zeros(1, 1500), 2)
    assert float(found.radius[0]) == pytest.approx(0.9, abs=1e-3)
    assert not found.converged.any()


def test_a_wide_bound_draws_a_warning():
    with pytest.warns(mn.AccuracyWarning, match="1 of 1 states"):
        spectrum_of(m.rotated(m.shift(100)))


def test_a_black_box_has_no_spectrum():
    with pytest.raises(mn.MnemoscopeError, match="can only be evaluated"):
        mn.spectrum(mn.BlackBox(lambda z: z / 2), torch.zeros(1, 5), 1)


def test_scales_near_the_ends_of_float64_do_no_harm():
    for scale in (1e-250, 1e-20, 1e20, 1e150):
        found = spectrum_of(scale * m.grcar(24))
        assert float(found.radius[0] / scale) == pytest.approx(
            float(spectrum_of(m.grcar(24)).radius[0])
        )
        assert found.contractive.tolist() == [scale < 1]


def test_matrices_that_plainly_expand_are_kept_apart_from_those_that_only_seem_to():
    """A shift has radius 0 although its computed values lie far outside; others expand or not."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(9, 48, 48, generator=generator, dtype=torch.float64) / 48**0.5
    shift = 40 * torch.diag(torch.ones(47, dtype=torch.float64), 1)
    jordan = 0.9 * torch.eye(48, dtype=torch.float64) + shift
    A = torch.cat([1.5 * drawn[:6], 0.5 * drawn[6:], shift[None], jordan[None]])
    rounding = torch.zeros(len(A), dtype=torch.float64)
    quick = enclosed_unless_expanding(A, rounding, 1)
    sure = enclosed(A, rounding, 1)
    assert torch.isinf(quick.upper[:6]).all()
    off = (quick.values.abs() - sure.values.abs()).abs()
    assert bool((off[:9] <= quick.error[:9] + sure.error[:9]).all())
    assert bool((quick.error[:6] < 1e-10).all())
    torch.testing.assert_close(quick.upper[6:], sure.upper[6:])
    assert bool((quick.upper[6:] < 1).all())
