"""All claims are found and well formed, and listed where a name is wrong."""

from concurrent.futures import Future

import pytest
from polars.testing import assert_frame_equal

import mnemoscope as mn
from mnemoscope.claims import Scale
from mnemoscope.claims.claim import CLAIMS, find_claim, run_claims
from mnemoscope.sweep.process_pool import Processes, WorkerLost

NAMES = [
    "projection", "nonlinear-span", "two-layer-contraction", "deep-contraction", "iteration",
    "depth-necessary", "depth-sufficient", "convolutional-memorization", "downsampling",
    "sequences", "infinite-width", "robust-to-training", "capacity", "early-stopping",
    "contractive-near-identity", "memorization-time", "memorized-spurious-generalized",
]  # fmt: skip


def test_they_are_all_there_in_order():
    assert list(CLAIMS) == NAMES
    assert [found.number for found in CLAIMS.values()] == list(range(1, len(NAMES) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_is_claimed_where_and_what_counts(name):
    found = find_claim(name)
    for text in (found.statement, found.source, found.tolerance):
        assert text.strip() == text
        assert len(text) > 10
    assert found.statement.endswith(".")


def test_an_unknown_claim_lists_those_there_are():
    with pytest.raises(mn.MnemoscopeError) as raised:
        find_claim("projektion")
    assert (raised.value.field, list(raised.value.choices)) == ("claim", NAMES)
    with pytest.raises(mn.MnemoscopeError):
        next(run_claims(["projection", "nonsense"], Scale("quick")))


def test_processes_give_what_one_gives():
    names, scale = ["two-layer-contraction", "projection"], Scale("quick", seeds=1)
    alone = list(run_claims(names, scale))
    assert [result.name for result in alone] == names
    together = {result.name: result for result in run_claims(names, scale, workers=2)}
    assert set(together) == set(names)
    for one in alone:
        assert_frame_equal(one.runs, together[one.name].runs)
        assert one.checks == together[one.name].checks


def test_processes_begin_with_the_longest_and_say_what_is_left(monkeypatch):
    begun = []

    def submit(self, fn, name, scale):
        begun.append(name)
        future = Future()
        future.set_result((find_claim(name).rows(scale), 1.0))
        return future

    monkeypatch.setattr(Processes, "submit", submit)
    names, left = ["projection", "two-layer-contraction", "infinite-width"], []
    results = run_claims(
        names,
        Scale("quick", seeds=1),
        workers=2,
        on_change=lambda claims: left.append([claim.name for claim in claims]),
    )
    complete = [result.name for result in results]
    assert sorted(complete) == sorted(names)
    assert begun == sorted(names, key=lambda name: -find_claim(name).seconds)
    assert left == [[name for name in begun if name not in complete[:k]] for k in range(3)]


def test_a_process_that_dies_is_named(monkeypatch):
    def lost(*call):
        raise WorkerLost("the process that computed it died")

    monkeypatch.setattr(Processes, "_call", lost)
    with pytest.raises(mn.MnemoscopeError, match="died"):
        list(run_claims(["projection", "nonlinear-span"], workers=2))


def test_seeds_below_one_are_refused():
    with pytest.raises(mn.MnemoscopeError) as raised:
        Scale("quick", seeds=0)
    assert raised.value.field == "seeds"


def test_scale_chooses_by_effort_and_takes_seeds_as_asked():
    assert Scale("quick").choose(1, 2, 3) == 1
    assert Scale("long").choose(1, 2, 3) == 3
    assert list(Scale().range(1, 3, 9)) == [0, 1, 2]
    assert list(Scale(seeds=2, seed=5).range(1, 3, 9)) == [5, 6]
