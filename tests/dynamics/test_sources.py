"""The starts of searches, and the stopping rule."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.catalogue import Catalogue
from mnemoscope.dynamics.sources import DRY, Sources

pytestmark = pytest.mark.usefixtures("global_generator_untouched")

NONE = -1


def tanh():
    """Fixed points at -0.9575 and 0.9575, which attract, and at 0."""
    return mn.SelfMap(lambda z: torch.tanh(2 * z), (1,), dtype=torch.float64)


def sources(f, n=5):
    catalogue = Catalogue(f, resolution=1e-3, spread=1.0)
    Z = torch.linspace(-2, 2, n, dtype=f.dtype)[:, None].expand(n, *f.shape)
    return Sources(f, Z, catalogue), catalogue, Z


def found(catalogue, points, times=5):
    """Searches that ended at these points, with the given count at each."""
    ends = torch.tensor(points, dtype=torch.float64)[:, None].repeat(times, 1)
    catalogue.sort_in(ends, torch.ones(len(ends), dtype=bool), torch.full((len(ends),), NONE))


def all_of(given, *, idle=True):
    """All starts until none are left, in at most 50 portions."""
    portions = []
    for _ in range(50):
        tags, starts = given.take(1000, idle=idle)
        if len(starts) == 0:
            return portions
        portions.append((tags, starts))
    raise AssertionError("it does not end")


def test_the_starts_come_first_each_with_its_number_as_there_is_room():
    given, _, Z = sources(tanh())
    tags, first = given.take(3, idle=True)
    assert tags.tolist() == [[0, NONE], [1, NONE], [2, NONE]]
    more, second = given.take(3, idle=False)
    assert more.tolist() == [[3, NONE], [4, NONE]]
    assert torch.equal(torch.cat([first, second]), Z)


def test_around_each_point_that_was_found_once_and_with_its_number():
    given, catalogue, _ = sources(tanh())
    given.take(5, idle=True)
    found(catalogue, [0.0, 0.9575])
    # Where f contracts, at 0.9575, nothing is looked for: J - 1 is -0.83 there, at 0 it is 1.
    assert all_of(given, idle=False) == []
    f = mn.SelfMap(lambda z: z + 0.3 * torch.sin(z), (1,), dtype=torch.float64)
    given, catalogue, _ = sources(f)
    given.take(5, idle=True)
    found(catalogue, [0.0, torch.pi])
    ((tags, starts),) = all_of(given, idle=False)
    assert tags.tolist() == [[NONE, 0]] * 4 + [[NONE, 1]] * 4
    away = starts - catalogue.points[tags[:, 1]]
    spread = torch.pi / 2
    assert away.abs().unique().tolist() == pytest.approx([0.3 * spread, spread])
    found(catalogue, [2 * torch.pi])
    ((tags, _),) = all_of(given, idle=False)
    assert tags.tolist() == [[NONE, 2]] * 4


def test_nothing_follows_where_nothing_seems_to_be_missing():
    given, catalogue, _ = sources(tanh())
    given.take(5, idle=True)
    found(catalogue, [-0.9575, 0.0, 0.9575])
    assert all_of(given) == []
    assert given.degree == 1 - 1 + 1
    assert given.unseen == 0


def test_a_degree_that_is_not_1_calls_for_more_until_none_comes():
    given, catalogue, _ = sources(tanh())
    given.take(5, idle=True)
    found(catalogue, [-0.9575, 0.9575])
    assert given.take(1000, idle=False)[1].shape == (0, 1)
    # The signs add up to 2: the point between them is missing. The first round, around them, has no
    # starts, since f contracts at both.
    rounds = all_of(given)
    assert given.degree == 2
    assert len(rounds) == DRY - 1
    assert all((tags == NONE).all() for tags, _ in rounds)


def test_points_seen_only_once_call_for_more():
    f = mn.SelfMap(lambda z: z + 0.3 * torch.sin(z), (1,), dtype=torch.float64)
    given, catalogue, _ = sources(f)
    given.take(5, idle=True)
    found(catalogue, [0.0, torch.pi, 2 * torch.pi], times=1)
    all_of(given, idle=False)
    assert given.unseen == 3 * 2 / 2
    assert len(all_of(given)) > 0


def test_a_continuum_is_not_gone_over():
    given, catalogue, _ = sources(mn.SelfMap(lambda z: 1 * z, (1,), dtype=torch.float64))
    given.take(5, idle=True)
    found(catalogue, [0.0, 1.0, 2.0], times=1)
    assert all_of(given) == []
    assert given.unseen == 0
    assert given.degree == 0
