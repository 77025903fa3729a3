"""`extract` finds what a map stores, most likely first, without data."""

import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.extraction import SearchOptions, extract
from tests.extraction.maps import memories, remembering

X = memories(10, 1, 4, 4)
OVERSHOOT = 3 * memories(4, 1, 4, 4, seed=5) - 1


@pytest.fixture(scope="module")
def out():
    return extract(remembering(torch.cat([OVERSHOOT, X])), seed=0, starts=100)


def test_all_memories_come_out_before_what_leaves_the_range(out):
    assert len(out) == 14
    scores = out.score(X)
    assert scores["match"].to_list() == ["found"] * 10 + ["none"] * 4
    assert (scores["precision"][9], scores["recall"][9]) == (1, 1)


def test_the_table_describes_each(out):
    table = out.table
    assert table["rank"].to_list() == list(range(1, 15))
    assert table["score"].to_list() == sorted(table["score"], reverse=True)
    assert set(table["kind"]) == {"fixed_point"}
    every = out.estimates.row(-1, named=True)
    assert int(table["starts"].sum()) == every["ended"] <= out.summary["starts"]
    for row in table.to_dicts():
        assert 0 <= row["basin_low"] <= row["basin_fraction"] <= row["basin_high"] <= 1
        assert 1 <= row["kinds_reached"] <= row["kinds_tried"] == 6
    noise = out.estimates.filter(pool="noise")
    assert float(table["basin_fraction"].sum()) == pytest.approx(
        noise["ended"][0] / noise["starts"][0]
    )


def test_the_history_is_a_curve_of_discovery(out):
    history = out.history
    assert history["starts"].is_sorted()
    assert history["found"].is_sorted()
    assert history["seconds"].is_sorted()
    assert (history["starts"][-1], history["found"][-1]) == (out.summary["starts"], 14)
    reached = history.filter(history["found"] == 14)["starts"][0]
    assert out.summary["last_find"] == reached


def test_the_summary_says_why_it_stopped_and_how_much_may_be_missing(out):
    assert out.summary["stopped"] == "nothing new"
    assert 0 < out.summary["unseen_below"] <= 1e-3
    assert (out.summary["low"], out.summary["high"], out.summary["range"]) == (0, 1, "learned")
    every = out.estimates.row(-1, named=True)
    assert every["total"] >= every["found"] == 14


def test_the_states_of_a_sequence_all_come_out():
    out = extract(remembering(X, X.roll(-1, 0)), starts=100)
    assert set(out.table["kind"]) == {"cycle"}
    assert set(out.table["period"]) == {10}
    assert out.score(X)["recall"][-1] == 1
    assert out.summary["attractors"] == 1


def test_near_copies_are_one_candidate():
    twice = torch.cat([X, X[:1] + 5e-3])
    out = extract(remembering(twice, sharpness=1e5), extra=twice, starts=20, max_starts=300)
    assert (out.summary["attractors"], len(out)) == (11, 10)


@pytest.mark.slow
def test_a_network_gives_back_what_it_was_trained_on():
    examples = mn.load_data("digits", n=10)
    spec = mn.nets.FullyConnected(shape=(1, 8, 8), width=128, depth=4, activation="sigmoid")
    net = spec.build(seed=0)
    assert mn.train(net, examples).converged
    stored = mn.find_attractors(net, examples, examples)
    stored = len(stored.nearest_example[stored.distance <= 1e-2].unique())
    out = extract(net, seed=0)
    scores = out.score(examples)
    assert stored >= 8
    assert scores["found"][-1] >= stored
    assert scores["precision"][stored - 1] == 1


@pytest.mark.usefixtures("global_generator_untouched")
def test_the_same_seed_gives_the_same_candidates():
    f = remembering(X)
    one, same = (extract(f, seed=3, starts=50) for _ in range(2))
    assert torch.equal(one.candidates, same.candidates)
    assert one.table.equals(same.table)


def test_no_attractor_no_candidates(out):
    none = extract(lambda z: z, shape=(3,), starts=100, options=SearchOptions(max_steps=50))
    assert len(none) == 0
    assert none.candidates.shape == (0, 3)
    assert none.table.height == 0
    assert none.table.schema == out.table.schema
    assert none.estimates.schema == out.estimates.schema


def test_starts_of_ones_own(out):
    extra = extract(remembering(X), extra=X[:3], starts=10, max_starts=3)
    assert extra.history["kind"].to_list() == ["given"]
    assert extra.summary["attractors"] == 3
    # They are no noise: they say nothing of a basin.
    assert set(extra.table["basin_fraction"]) == {0.0}


@pytest.mark.parametrize(
    "given",
    [
        {"starts": 0},
        {"span": (1, 0)},
        {"span": (0, float("inf"))},
        {"extra": X[:0]},
        {"extra": X / 0},
        {"max_starts": 0},
        {"seed": -1},
    ],
)
def test_wrong_arguments_are_refused(given):
    with pytest.raises(MnemoscopeError) as refusal:
        extract(remembering(X), **given)
    assert [refusal.value.field] == list(given)


def test_extra_starts_of_another_shape_are_refused():
    with pytest.raises(MnemoscopeError, match="states of shape"):
        extract(remembering(X), extra=X[:, :, :2])


@pytest.mark.parametrize(
    "option",
    [
        {"kinds": ["uniform", "white"]},
        {"kinds": []},
        {"max_seconds": 0},
        {"max_steps": 0},
        {"tol": 0.0},
        {"batch_size": 0},
    ],
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(MnemoscopeError) as refusal:
        SearchOptions(**option)
    assert [refusal.value.field] == list(option)
