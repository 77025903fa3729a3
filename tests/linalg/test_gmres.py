import pytest
import torch

from mnemoscope.linalg.gmres import gmres

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


@pytest.mark.parametrize("d", [1, 6, 50])
def test_solves_many_systems_at_once(d, dtype):
    generator = torch.Generator().manual_seed(0)
    A = torch.eye(d) + 0.3 * torch.randn(4, d, d, generator=generator) / d**0.5
    A, x = A.to(dtype), torch.randn(4, d, generator=generator).to(dtype)
    b = torch.einsum("nij,nj->ni", A, x)
    tol = 1e-5 if dtype == torch.float32 else 1e-12
    found = gmres(lambda v: torch.einsum("nij,nj->ni", A, v), b, tol=tol, max_products=50)
    # The error is at most the residual over the smallest singular value, here above 0.2.
    assert (found - x).norm() <= 20 * tol * b.norm()


def test_a_singular_system_gives_the_least_residual():
    A = torch.diag(torch.tensor([1.0, 0.0]))
    found = gmres(lambda v: v @ A, torch.tensor([[2.0, 0.0]]))
    assert torch.allclose(found @ A, torch.tensor([[2.0, 0.0]]))
