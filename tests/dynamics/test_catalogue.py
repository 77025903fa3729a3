import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics import catalogue as module
from mnemoscope.dynamics.catalogue import Catalogue

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

NOWHERE = -1


def sort_in(catalogue, ends, *, converged=None, origin=None):
    n = len(ends)
    return catalogue.sort_in(
        torch.tensor(ends, dtype=torch.float64)[:, None],
        torch.tensor([True] * n if converged is None else converged),
        torch.tensor([NOWHERE] * n if origin is None else origin),
    ).tolist()


@pytest.fixture
def catalogue():
    # Fixed points at the multiples of pi.
    f = mn.SelfMap(lambda z: z + 0.5 * torch.sin(z), (1,), dtype=torch.float64)
    return Catalogue(f, resolution=1e-3, spread=1.0)


def test_ends_nearby_are_one_point_exact_to_rounding(catalogue):
    assert sort_in(catalogue, [1e-4, torch.pi, -2e-4, torch.pi + 1e-5]) == [0, 1, 0, 1]
    expected = torch.tensor([0.0, torch.pi]).double()
    assert torch.allclose(catalogue.points[:, 0], expected, atol=1e-12)
    assert sort_in(catalogue, [2 * torch.pi, torch.pi]) == [2, 1]
    assert catalogue.hits.tolist() == [2, 3, 1]


def test_what_has_not_converged_or_does_not_settle_is_no_point(catalogue):
    assert sort_in(catalogue, [0.0, torch.pi], converged=[False, True]) == [-1, 0]
    f = mn.SelfMap(lambda z: z + 1e-6, (1,), dtype=torch.float64)
    assert sort_in(Catalogue(f, resolution=1e-3, spread=1.0), [0.0, 5.0]) == [-1, -1]


def test_a_search_that_returns_to_where_it_began_is_no_hit(catalogue):
    assert sort_in(catalogue, [0.0, torch.pi]) == [0, 1]
    assert sort_in(catalogue, [0.0, 0.0, torch.pi], origin=[0, 1, 1]) == [0, 0, 1]
    assert catalogue.hits.tolist() == [2, 1]


def test_the_spread_is_that_of_the_points(catalogue):
    assert catalogue.spread == 1.0
    sort_in(catalogue, [0.0, 2 * torch.pi])
    assert catalogue.spread == pytest.approx(torch.pi)


def test_no_more_are_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 3)
    f = mn.SelfMap(lambda z: z, (1,), dtype=torch.float64)
    catalogue = Catalogue(f, resolution=1e-3, spread=1.0)
    assert sort_in(catalogue, [0.0, 1.0]) == [0, 1]
    assert sort_in(catalogue, [2.0, 3.0, 1.0, 4.0]) == [2, -1, 1, -1]
