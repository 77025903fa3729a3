"""Properties of spectra that hold for every matrix."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mnemoscope as mn
from mnemoscope.linalg.arnoldi import leading_eigenvalues
from mnemoscope.linalg.golub_kahan import leading_singular_values

EPS = torch.finfo(torch.float64).eps

sizes, seeds = st.integers(1, 7), st.integers(0, 10**6)
few = settings(max_examples=10, deadline=None)


def drawn(d, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(d, d, generator=generator, dtype=torch.float64) / d**0.5


def linear(A):
    return mn.SelfMap(lambda z: z @ A.T, (len(A),), dtype=A.dtype)


def spectrum_of(A, k=1):
    return mn.spectrum(linear(A), torch.zeros(1, len(A), dtype=A.dtype), k)


def norm_of(A):
    return float(mn.operator_norm(linear(A), torch.zeros(1, len(A), dtype=A.dtype)))


def assert_same_radius(one, other):
    # Each is within its error bound of the modulus that both have.
    slack = one.error_bound[0, 0] + other.error_bound[0, 0]
    assert (one.radius - other.radius).abs() <= slack + 100 * EPS


@few
@given(d=sizes, seed=seeds)
def test_similar_matrices_have_one_spectral_radius(d, seed):
    A, Q = drawn(d, seed), torch.linalg.qr(drawn(d, seed + 1)).Q
    scale = 2.0 ** torch.randint(-8, 9, (d,), generator=torch.Generator().manual_seed(seed))
    whole = spectrum_of(A)
    for similar in (Q @ A @ Q.T, A * scale / scale[:, None], A.T):
        assert_same_radius(spectrum_of(similar), whole)


@few
@given(first=sizes, second=sizes, seed=seeds, coupling=st.floats(-10, 10))
def test_a_block_triangular_matrix_has_the_spectra_of_its_blocks(first, second, seed, coupling):
    A, B = drawn(first, seed), drawn(second, seed + 1)
    whole = torch.block_diag(A, B)
    whole[:first, first:] = coupling
    found = spectrum_of(whole)
    larger = max((spectrum_of(A), spectrum_of(B)), key=lambda s: float(s.radius))
    assert_same_radius(found, larger)
    assert bool(found.upper[0] >= larger.radius[0] - larger.error_bound[0, 0] - 100 * EPS)


@few
@given(first=sizes, second=sizes, seed=seeds)
def test_the_norm_of_blocks_is_that_of_the_larger(first, second, seed):
    A, B = drawn(first, seed), drawn(second, seed + 1)
    expected = max(norm_of(A), norm_of(B))
    assert abs(norm_of(torch.block_diag(A, B)) - expected) <= 100 * EPS * expected


@few
@given(d=sizes, seed=seeds)
def test_single_and_double_precision_agree(d, seed):
    A = drawn(d, seed)
    # A singular value moves by no more than the rounding of the matrix and of its decomposition.
    rounding = 50 * d * torch.finfo(torch.float32).eps * norm_of(A)
    assert abs(norm_of(A.float()) - norm_of(A)) <= rounding
    # The bounds of a float32 map count the rounding of its products, not of its entries.
    single, double = spectrum_of(A.float()), spectrum_of(A.float().double())
    assert_same_radius(single, double)


@few
@given(d=sizes, seed=seeds)
def test_no_radius_exceeds_the_norm_and_its_own_bound(d, seed):
    A = drawn(d, seed)
    found = spectrum_of(A)
    assert float(found.radius) <= norm_of(A) * (1 + 100 * EPS) + float(found.error_bound[0, 0])
    assert bool(found.upper[0] >= found.radius[0] - found.error_bound[0, 0])


@few
@given(d=sizes, seed=seeds)
def test_krylov_methods_find_what_dense_ones_find(d, seed):
    A, like = drawn(d, seed), torch.zeros(1, d, dtype=torch.float64)
    options = {"k": 1, "tol": 1e-10, "basis_size": d, "max_products": 100}
    radius = leading_eigenvalues(
        lambda _: lambda V: V @ A.T, like, generator=torch.Generator().manual_seed(1), **options
    )
    norm = leading_singular_values(
        lambda _: (lambda V: V @ A.T, lambda U: U @ A),
        like,
        generator=torch.Generator().manual_seed(1),
        **options,
    )
    dense = spectrum_of(A)
    # Rounding moves an eigenvalue by its condition number times as much.
    slack = 1e3 * EPS * float(dense.condition[0, 0].clamp_max(1e12)) + 1e-9
    assert abs(float(radius.radius) - float(dense.radius)) <= slack
    assert abs(float(norm.radius) - norm_of(A)) <= 1e-9
