import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.probes import KRYLOV, STEEP, probes, surroundings

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def linear(A):
    return mn.SelfMap(lambda z: z @ A.T, (len(A),), dtype=A.dtype)


def symmetric(eigenvalues, dtype=torch.float64):
    """A matrix with these eigenvalues, and its eigenvectors as columns."""
    generator = torch.Generator().manual_seed(0)
    d = len(eigenvalues)
    V = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    return ((V * torch.tensor(eigenvalues, dtype=V.dtype)) @ V.T).to(dtype), V.to(dtype)


def test_the_slow_directions_are_the_eigenvectors_nearest_to_one(dtype):
    # In a space of more dimensions than products, the rest of the eigenvalues being zero.
    A, V = symmetric([1.01, 0.9, 1.4, -0.5] + [0.0] * 40, dtype)
    assert len(A) > KRYLOV
    around = surroundings(linear(A), torch.zeros(2, len(A), dtype=dtype))
    slopes = torch.tensor([0.01, 0.1, 0.4, 1.0], dtype=dtype)
    # H is exact to a few roundings of numbers of order 1.
    near = 100 * torch.finfo(dtype).eps
    assert torch.allclose(around.slope[:, :3], slopes[:3].expand(2, -1), rtol=0, atol=near)
    along = around.directions[:, :3] @ V[:, :3] / len(A) ** 0.5
    # A direction is as exact as the slope's distance to the next one, 0.1, allows.
    assert torch.allclose(along.abs(), torch.eye(3, dtype=dtype).expand(2, -1, -1), atol=20 * near)
    assert torch.allclose(around.directions.square().mean(2), torch.ones_like(around.slope))


@pytest.mark.parametrize("seed", range(5))
def test_the_sign_is_that_of_the_determinant(seed):
    generator = torch.Generator().manual_seed(seed)
    A = 1.5 * torch.randn(6, 6, generator=generator, dtype=torch.float64)
    around = surroundings(linear(A), torch.zeros(1, 6, dtype=torch.float64))
    eye = torch.eye(6, dtype=torch.float64)
    assert around.sign.tolist() == [torch.linalg.slogdet(eye - A).sign]


def test_a_point_that_is_not_isolated_has_no_sign_and_no_probes(dtype):
    A, _ = symmetric([1.0, 0.5, 0.0], dtype)
    points = torch.zeros(2, 3, dtype=dtype)
    around = surroundings(linear(A), points)
    assert around.sign.tolist() == [0, 0]
    assert probes(points, around, (1.0,))[0].shape == (0, 3)


def test_probes_lie_both_ways_along_what_is_not_steep():
    A, V = symmetric([1.1, 0.7, 0.1 - STEEP])
    points = torch.stack([torch.zeros(3), torch.ones(3)]).double()
    f = linear(A)
    starts, owner = probes(points, surroundings(f, points), (0.2, 2.0))
    assert owner.tolist() == [0] * 8 + [1] * 8
    away = (starts - points[owner]) @ V / 3**0.5
    expected = torch.zeros(8, 3, dtype=torch.float64)
    expected[:4, 0] = expected[4:, 1] = torch.tensor([0.2, 0.2, 2.0, 2.0])
    assert torch.allclose(away.abs(), expected.repeat(2, 1), atol=1e-12)
    assert torch.allclose(away[0::2], -away[1::2], atol=1e-12)


def test_a_constant_map_has_surroundings_too():
    f = mn.SelfMap(lambda z: 0 * z + 1, (2, 2))
    around = surroundings(f, torch.ones(1, 2, 2))
    assert torch.allclose(around.slope, torch.ones(1, 4))
    assert around.sign.tolist() == [1]
    assert around.directions.shape == (1, 4, 2, 2)
