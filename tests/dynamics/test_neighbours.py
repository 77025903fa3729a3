"""The nearest of many examples: the same as by hand, in parts, without duplicates."""

import pytest
import torch

from mnemoscope.dynamics import neighbours
from mnemoscope.dynamics.neighbours import nearest_among
from mnemoscope.dynamics.states import rms
from mnemoscope.dynamics.stored import match_radii

pytestmark = pytest.mark.usefixtures("global_generator_untouched")


def uniform(*size, seed=0, dtype=torch.float64):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_hand(Z, X, other=False):
    distance = torch.stack([rms(X - z) for z in Z])
    if other:
        distance[(X[None] == Z[:, None]).flatten(2).all(2)] = torch.inf
    return distance.argmin(1), distance.amin(1)


@pytest.fixture(params=[2**22, 100], ids=["one part", "many parts"])
def part(request, monkeypatch):
    monkeypatch.setattr(neighbours, "PART", request.param)


@pytest.mark.usefixtures("part")
@pytest.mark.parametrize("other", [False, True])
def test_it_is_the_one_found_by_hand(other):
    X = uniform(60, 2, 3)
    Z = torch.cat([X[10:20], uniform(7, 2, 3, seed=1)])
    index, distance = nearest_among(Z, X, other=other)
    expected, apart = by_hand(Z, X, other)
    assert torch.equal(index, expected)
    assert torch.allclose(distance, apart, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("part")
def test_near_duplicates_far_from_the_origin_are_distinguished():
    # 1e-3 apart (RMS), 1,000 from the origin: products of the states themselves in float32 would
    # round by 1e6 * 6e-8, more than the 1e-6 between the squares.
    base = 1000 + uniform(20, 50, dtype=torch.float32)
    X = torch.cat([base, base + 1e-3, base])
    index, distance = nearest_among(base, X, other=True)
    assert index.tolist() == list(range(20, 40))
    # The entries themselves are rounded by 3e-5.
    assert torch.allclose(distance, torch.full_like(distance, 1e-3), atol=5e-5)


@pytest.mark.usefixtures("part")
def test_examples_are_compared_as_states():
    # Bytes, whose states are float32; and two that are one in float32.
    X = torch.tensor([[0, 0], [255, 0], [0, 255]], dtype=torch.uint8)
    index, distance = nearest_among(torch.tensor([[250.0, 0.0]]), X)
    assert index.tolist() == [1]
    assert distance.tolist() == pytest.approx([(25 / 2) ** 0.5])
    fine = torch.tensor([[1.0, 1.0], [1.0 + 1e-12, 1.0], [2.0, 1.0]], dtype=torch.float64)
    assert nearest_among(fine[:1].float(), fine, other=True)[0].tolist() == [2]


@pytest.mark.usefixtures("part")
def test_where_there_is_none():
    Z = uniform(3, 4)
    same = Z[:1].repeat(50, 1)
    index, distance = nearest_among(Z[:1], same, other=True)
    assert (index.tolist(), distance.tolist()) == ([-1], [float("inf")])
    index, distance = nearest_among(Z, Z[:0])
    assert (index.tolist(), distance.tolist()) == ([-1] * 3, [float("inf")] * 3)
    assert [len(part) for part in nearest_among(Z[:0], Z)] == [0, 0]


def test_radii_of_a_part_know_the_neighbours_outside_of_it_and_its_duplicates():
    X = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.02, 0.02], [1.0, 1.0], [5.0, 5.0], [1.0, 1.0]])
    radii = match_radii(X[[0, 1, 3]], unit=1.0, match_tol=10.0, among=X)
    # To [0.02, 0.02] from both, which is not in the part.
    assert radii.tau.tolist() == pytest.approx([0.02 / 4, 0.98 / 4, 0.98 / 4])
    assert radii.first.tolist() == [0, 1, 1]
    assert radii.total == 2
