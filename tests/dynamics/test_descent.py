import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.descent import descend

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def test_many_eigenvalues_on_the_unit_circle_are_no_obstacle(dtype):
    generator = torch.Generator().manual_seed(0)
    Q = torch.linalg.qr(torch.randn(60, 60, generator=generator, dtype=torch.float64)).Q.to(dtype)
    f = mn.SelfMap(lambda z: z @ Q.T, (60,), dtype=dtype)
    Z = torch.randn(5, 60, generator=generator, dtype=torch.float64).to(dtype)
    z, there = descend(f, Z, tol=1e-5)
    assert there.all()
    slowest = torch.linalg.svdvals(Q - torch.eye(60, dtype=dtype))[-1]
    # It goes on to a residual of 4 eps.
    assert z.square().mean(1).sqrt().max() <= 4 * torch.finfo(dtype).eps / slowest


def test_it_goes_downhill_and_stops_where_there_is_nothing_below():
    # |f(z) - z| = 1 + z^2 has its minimum at 0, and no zero.
    f = mn.SelfMap(lambda z: z + 1 + z**2, (1,), dtype=torch.float64)
    Z = torch.tensor([[1.0], [-0.5]], dtype=torch.float64)
    z, there = descend(f, Z, tol=1e-5)
    assert not there.any()
    assert (f.residual(z) <= f.residual(Z)).all()
    assert z.abs().max() <= 0.1


def test_what_is_not_finite_is_left_alone():
    f = mn.SelfMap(lambda z: z / 2, (2,))
    Z = torch.tensor([[torch.nan, 0.0], [4.0, -2.0]])
    z, there = descend(f, Z, tol=1e-5)
    assert there.tolist() == [False, True]
    assert torch.equal(z[0, 1:], Z[0, 1:])
