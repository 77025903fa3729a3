"""The search ends when many starts of all kinds find nothing new, and reports the reason."""

import pytest
import torch

from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.starts import STARTS, Range
from mnemoscope.extraction.search import Part, SearchOptions, search, since_last_find
from mnemoscope.maps import SelfMap
from tests.extraction.maps import memories, remembering

KINDS = tuple(STARTS)


def searched(f, *, starts=100, max_starts=50_000, given=None, span=None, seed=0, **options):
    options = SearchOptions(**{"max_seconds": 60.0, **options})
    return search(
        f, options, starts=starts, max_starts=max_starts, given=given, span=span, seed=seed
    )


def test_it_finds_what_is_there_and_stops_when_nothing_new_comes():
    X = memories(12, 1, 4, 4)
    found = searched(remembering(X))
    assert found.stopped == "nothing new"
    distance = torch.cdist(X.flatten(1), found.atlas.states.flatten(1)).amin(1)
    assert len(found.atlas) == 12
    assert float(distance.max()) < 1e-3


def test_it_stops_no_sooner_than_the_interval_allows():
    found = searched(remembering(memories(12, 1, 4, 4)))
    dry = sum(len(part.labels) for part in since_last_find(found.parts))
    assert float(wilson(0, dry)[1]) <= 1e-3
    # One kind less would not have been enough, or not a whole round.
    shorter = dry - len(found.parts[-1].labels)
    kinds = {part.kind for part in since_last_find(found.parts[:-1])}
    assert float(wilson(0, shorter)[1]) > 1e-3 or kinds < {*KINDS, "bred"}


def test_rounds_have_every_kind_and_as_many_starts_from_attractors():
    found = searched(remembering(memories(12, 1, 4, 4)))
    first = {part.kind: len(part.labels) for part in found.parts if part.round == 0}
    assert first == {**dict.fromkeys(KINDS, 100), "bred": 500}


def test_rare_attractors_are_found_from_the_others():
    """Noise rarely hits the basins: sums and mixtures of known attractors find the rest."""
    X = memories(60, 40, seed=3)
    alone = searched(remembering(X), kinds=("sparse",), max_starts=200)
    found = searched(remembering(X), kinds=("sparse",))
    assert len(alone.atlas) < len(found.atlas)
    assert any(part.kind == "bred" for part in found.parts)


def test_without_attractors_it_ends_too():
    found = searched(SelfMap(lambda z: z, (3,)))
    assert (len(found.atlas), found.stopped) == (0, "nothing new")
    assert {part.kind for part in found.parts} == set(KINDS)
    assert bool((found.labels(found.kinds) == -1).all())


@pytest.mark.parametrize(
    ("limit", "reason"),
    [({"max_starts": 150}, "most starts"), ({"max_seconds": 1e-9}, "most seconds")],
)
def test_limits_end_it(limit, reason):
    found = searched(remembering(memories(12, 1, 4, 4)), **limit)
    assert found.stopped == reason
    assert len(found.labels(found.kinds)) <= 200


def test_given_starts_come_first_and_once():
    X = memories(12, 1, 4, 4)
    found = searched(remembering(X), given=X[:7])
    assert found.parts[0].kind == "given"
    assert found.parts[0].found == 7
    assert [part.kind for part in found.parts].count("given") == 1


def test_the_range_is_learned_unless_it_is_given():
    X = 255 * memories(8, 1, 4, 4)
    f = remembering(X, sharpness=1e-3)
    assert searched(f).span == Range(0.0, 255.0)
    assert searched(f, span=Range(0.0, 100.0)).span == Range(0.0, 100.0)


@pytest.mark.usefixtures("global_generator_untouched")
def test_the_same_seed_gives_the_same_search():
    f = remembering(memories(12, 1, 4, 4))
    one, same, other = (searched(f, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.labels(KINDS), same.labels(KINDS))
    assert torch.equal(one.atlas.states, same.atlas.states)
    assert not torch.equal(one.parts[0].labels, other.parts[0].labels)


def test_progress_is_reported_after_each_kind():
    reports = []
    found = searched(
        remembering(memories(4, 1, 4, 4)),
        on_progress=lambda used, known: reports.append((used, known)),
    )
    assert len(reports) == len(found.parts)
    assert reports[-1] == (len(found.labels(found.kinds)), 4)


def parts(*found):
    return [Part(0, "uniform", torch.zeros(10, dtype=torch.int64), n, 0.0) for n in found]


@pytest.mark.parametrize(
    ("found", "dry"), [((3, 5, 5, 5), 2), ((0, 0), 2), ((0, 4), 0), ((4, 4), 1)]
)
def test_what_came_after_the_last_find(found, dry):
    assert len(since_last_find(parts(*found))) == dry
