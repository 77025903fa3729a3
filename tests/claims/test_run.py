"""All claims are found and well formed, and listed where a name is wrong."""

import pytest

import mnemoscope as mn
from mnemoscope.claims import Scale
from mnemoscope.claims.claim import CLAIMS, find_claim, run_claims

NAMES = [
    "projection", "nonlinear-span", "two-layer-contraction", "deep-contraction", "iteration",
    "depth-necessary", "depth-sufficient", "convolutional-memorization", "downsampling",
    "sequences", "infinite-width", "robust-to-training", "capacity", "early-stopping",
    "contractive-near-identity", "memorization-time",
]  # fmt: skip


def test_they_are_all_there_in_order():
    assert list(CLAIMS) == NAMES
    assert [claim.number for claim in CLAIMS.values()] == list(range(1, len(NAMES) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_is_claimed_where_and_what_counts(name):
    claim = find_claim(name)
    for text in (claim.statement, claim.source, claim.tolerance):
        assert text.strip() == text
        assert len(text) > 10
    assert claim.statement.endswith(".")


def test_an_unknown_claim_lists_those_there_are():
    with pytest.raises(mn.MnemoscopeError) as raised:
        find_claim("projektion")
    assert (raised.value.field, list(raised.value.choices)) == ("claim", NAMES)
    with pytest.raises(mn.MnemoscopeError):
        next(run_claims(["projection", "nonsense"], Scale("quick")))


def test_seeds_below_one_are_refused():
    with pytest.raises(mn.MnemoscopeError) as raised:
        Scale("quick", seeds=0)
    assert raised.value.field == "seeds"


def test_scale_chooses_by_effort_and_takes_seeds_as_asked():
    assert Scale("quick").choose(1, 2, 3) == 1
    assert Scale("long").choose(1, 2, 3) == 3
    assert list(Scale().range(1, 3, 9)) == [0, 1, 2]
    assert list(Scale(seeds=2, seed=5).range(1, 3, 9)) == [5, 6]
