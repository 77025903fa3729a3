"""Stored, disclosed, indistinguishable: on maps whose attractors are known."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.stored import (
    disclosed,
    match_radii,
    recalled,
    recalled_copies,
    stored_examples,
)
from mnemoscope.maps import SelfMap


def uniform(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wells(points, rate=0.5):
    """Contracts towards the nearest of some points, each of which is an attractor."""

    def f(z):
        own = points[torch.cdist(z.flatten(1), points.flatten(1)).argmin(1)]
        return own + rate * (z - own)

    return SelfMap(f, points.shape[1:], dtype=points.dtype)


def test_radii_are_a_quarter_of_the_way_to_the_nearest_other():
    X = torch.tensor([[0.0, 0.0], [0.008, 0.008], [1.0, 1.0]])
    radii = match_radii(X, unit=1.0)
    # RMS distances: 0.008 between the first two, 0.992 from the third to the second.
    assert radii.tau.tolist() == pytest.approx([0.002, 0.002, 0.01], rel=1e-5)
    assert radii.total == 3
    assert not bool(radii.indistinguishable.any())


def test_exact_duplicates_are_one_example():
    X = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [-0.0, 1.0]])
    radii = match_radii(X, unit=1.0)
    assert radii.first.tolist() == [0, 1, 0, 0]
    assert radii.total == 2
    assert radii.tau.tolist() == pytest.approx([0.01] * 4)
    f = wells(X[:2])
    assert stored_examples(f, X).tolist() == [True, True, False, False]


def test_a_single_example_has_no_neighbour():
    assert match_radii(torch.ones(1, 3), unit=1.0).tau.tolist() == pytest.approx([0.01])


def test_radii_among_a_larger_set_are_those_of_the_set():
    X = uniform(30, 5) * 0.02
    whole = match_radii(X, unit=1.0)
    part = match_radii(X[4:9], unit=1.0, among=X)
    assert torch.allclose(part.tau, whole.tau[4:9], rtol=1e-12, atol=0)


def test_a_constant_map_stores_one_at_the_most():
    X = uniform(12, 6)
    constant = SelfMap(lambda z: X[3:4].expand_as(z), (6,), dtype=torch.float64)
    assert int(stored_examples(constant, X).sum()) == 1
    near = X[:1] + 1e-4 * torch.arange(12)[:, None]
    middle = SelfMap(lambda z: near[5:6].expand_as(z), (6,), dtype=torch.float64)
    assert int(stored_examples(middle, near).sum()) <= 1


def test_near_duplicates_with_attractors_of_their_own_are_both_stored():
    # 0.015 units apart, the unit being the range of all three.
    X = torch.tensor([[0.0, 0.0], [0.015, 0.015], [1.0, 1.0]], dtype=torch.float64)
    assert stored_examples(wells(X), X).tolist() == [True] * 3


def test_of_near_duplicates_at_one_attractor_one_is_stored_and_both_are_disclosed():
    X = torch.tensor([[0.0, 0.0], [0.006, 0.006], [1.0, 1.0]], dtype=torch.float64)
    f = wells(X[[0, 2]])
    assert stored_examples(f, X).tolist() == [True, False, True]
    atlas, _, _ = survey(f.with_unit(1.0), X, Atlas.empty(f))
    assert disclosed(X, atlas.states, unit=1.0).tolist() == [True] * 3


def test_examples_too_close_to_distinguish_are_not_stored_and_are_listed():
    # An attractor of each would lie within 1e-4 of the other's: a census takes them for one.
    X = torch.tensor([[0.0, 0.0], [1e-4, 1e-4], [1.0, 1.0]], dtype=torch.float64)
    radii = match_radii(X, unit=1.0)
    assert radii.indistinguishable.tolist() == [True, True, False]
    assert stored_examples(wells(X), X).tolist() == [False, False, True]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [1.0, 0.01])
def test_no_map_stores_more_examples_than_its_attractors_have_states(seed, spread):
    # Wells near some of the examples, near none, and a cycle of two.
    X = spread * uniform(15, 3, seed=seed)
    if spread < 1:
        X[0] += 1.0
    points = torch.cat([X[:4], X[4:8] + 0.002, uniform(2, 3, seed=seed + 9)])
    swap = torch.arange(len(points))
    swap[[0, 1]] = torch.tensor([1, 0])

    def f(z):
        own = torch.cdist(z, points).argmin(1)
        return points[swap[own]] + 0.4 * (z - points[own])

    g = SelfMap(f, (3,), dtype=torch.float64)
    stored = stored_examples(g, X)
    atlas, _, _ = survey(g.with_unit(1.0), torch.cat([X, points]), Atlas.empty(g))
    assert int(stored.sum()) <= int(atlas.period.sum())


def test_a_cycle_stores_each_of_its_states():
    X = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    after = torch.tensor([1, 2, 0])

    def f(z):
        own = torch.cdist(z, X).argmin(1)
        return X[after[own]] + 0.3 * (z - X[own])

    assert stored_examples(SelfMap(f, (2,), dtype=torch.float64), X).tolist() == [True] * 3


def test_what_stays_in_place_without_attracting_is_not_stored():
    # z + g(z) with g zero at the examples to 1e-14: orbits stay, nothing draws them there.
    X = uniform(6, 4)
    g = SelfMap(lambda z: z + 1e-14 * torch.sin(7 * z), (4,), dtype=torch.float64)
    assert int(stored_examples(g, X).sum()) == 0
    assert int(stored_examples(SelfMap(lambda z: z, (4,), dtype=torch.float64), X).sum()) == 0


@pytest.mark.parametrize("factor", [1e-3, 255.0, 2048.0])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_scale_and_shift_change_nothing(factor, shift):
    X = torch.cat([uniform(6, 3), uniform(1, 3) + 0.006, uniform(1, 3) + 1e-5])
    f = wells(X[:5])
    plain = stored_examples(f, X)

    def moved(z):
        return factor * (f(z / factor - shift) + shift)

    g = SelfMap(moved, (3,), dtype=torch.float64)
    assert stored_examples(g, factor * (X + shift)).tolist() == plain.tolist()


def test_recall_counts_an_end_at_whichever_attractor_matches_the_example():
    X = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    f = wells(X)
    copies = torch.stack([X + 0.1, X.flip(0)])
    assert recalled_copies(f, copies, X).tolist() == [[True, True], [False, False]]
    atlas, labels, _ = survey(f.with_unit(1.0), X, Atlas.empty(f))
    radii = match_radii(X, unit=1.0)
    assert recalled(labels, atlas, radii, X).tolist() == [True, True]
    assert recalled(torch.tensor([-1, -1]), atlas, radii, X).tolist() == [False, False]


def test_slowly_drifting_frames_at_one_attractor():
    generator = torch.Generator().manual_seed(0)
    still = torch.rand(1, 1, 8, 8, generator=generator) * 0.6 + 0.2
    change = torch.randn(1, 1, 8, 8, generator=generator)
    frames = still + torch.arange(10).view(-1, 1, 1, 1) * 0.0015 * change
    audit = mn.audit(
        lambda z: frames[5:6] + 0.5 * (z - frames[5:6]),
        frames,
        mn.AuditOptions.of(certificates=0),
        starts=20,
        trials=1,
    )
    assert audit.summary.stored.count == 1
    assert audit.summary.disclosed.count == 7
    assert "7 are disclosed" in audit.verdict
    assert int(audit.recall.filter(audit.recall["recalled"] > 0)["example"].n_unique()) == 1
