"""Two audits side by side: differences with intervals, and what became of each example."""

import dataclasses

import polars as pl
import pytest
import torch

import mnemoscope as mn
from mnemoscope.base.stats import Rate
from mnemoscope.data import CORRUPTIONS
from mnemoscope.results.comparison import (
    AREA,
    CERTIFIED,
    FROM_NOISE,
    STORED,
    compare,
    difference_interval,
    recalled_from,
)
from tests.summaries import made_membership, made_score

LABELS = [corruption.label for corruption in CORRUPTIONS.values()]
BRIEF = {
    "starts": 40, "trials": 4, "corruptions": {"gaussian": [0.1, 0.8]}, "start_kinds": ["uniform"],
    "max_steps": 200,
}  # fmt: skip
STEPS = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])


def stairs(*attracting):
    """On one entry: 0.1, 0.3, … are fixed points; those named attract, the others repel."""
    slope = torch.tensor([0.2 if step in attracting else 1.8 for step in range(len(STEPS))])

    def f(z):
        near = ((z[..., None] - STEPS).abs()).argmin(dim=-1)
        return STEPS[near] + slope[near] * (z - STEPS[near])

    return f


def audit_of(*attracting, X=None, **options):
    X = STEPS[:, None].clone() if X is None else X
    seed = options.pop("seed", 0)
    return mn.audit(stairs(*attracting), X, mn.AuditOptions.of(**(BRIEF | options)), seed=seed)


@pytest.fixture(scope="module")
def before():
    return audit_of(0, 1, 2, 3)


@pytest.fixture(scope="module")
def after():
    return audit_of(2, 4)


@pytest.fixture(scope="module")
def comparison(before, after):
    return compare(before, after)


def row(comparison, measure):
    (found,) = comparison.table.filter(pl.col("measure") == measure).to_dicts()
    return found


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), Table II, method 10.
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_is_newcombes(after, before, low, high):
    sides = [
        (count / total, *(float(end) for end in mn.wilson(count, total)))
        for count, total in (before, after)
    ]
    assert difference_interval(*sides) == pytest.approx((low, high), abs=5e-5)
    # The other way round it is the same with the other sign.
    assert difference_interval(*sides[::-1]) == pytest.approx((-high, -low), abs=5e-5)


def test_it_covers_the_difference_about_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    rates, totals, n = (0.3, 0.8), (20, 30), 4000
    counts = [
        torch.binomial(torch.full((n,), float(t)), torch.full((n,), r), generator=generator)
        for r, t in zip(rates, totals, strict=True)
    ]
    covered = 0
    for a, b in zip(*counts, strict=True):
        sides = [
            (float(k) / t, *(float(end) for end in mn.wilson(int(k), t)))
            for k, t in zip((a, b), totals, strict=True)
        ]
        low, high = difference_interval(*sides)
        covered += low <= 0.5 <= high
    assert 0.93 < covered / n < 0.97


def test_measures_by_hand(comparison):
    stored = row(comparison, STORED)
    assert (stored["before_count"], stored["after_count"], stored["after_total"]) == (4, 2, 5)
    assert stored["difference"] == pytest.approx(-0.4)
    assert stored["low"] < -0.4 < stored["high"]
    assert stored["clear"] is (stored["high"] < 0)
    assert stored["main"]
    recalled = row(comparison, recalled_from("gaussian", 0.1, LABELS))
    assert recalled["before_total"] == recalled["after_total"] == 20
    assert row(comparison, "training loss")["kind"] == "number"
    assert row(comparison, "spurious attractors")["low"] is None
    assert row(comparison, FROM_NOISE)["before_total"] >= 40


def test_what_became_of_each_example(comparison):
    assert comparison.same_data
    assert comparison.examples["index"].to_list() == [0, 1, 2, 3, 4]
    assert comparison.examples["change"].to_list() == [
        "no longer stored", "no longer stored", "stored in both", "no longer stored",
        "newly stored",
    ]  # fmt: skip
    assert comparison.warnings == ()


def test_the_verdict_and_what_is_worse(comparison, before, after):
    for part in ("Fewer", "after (2 of 5)", "before (4 of 5)", "chance", "1 that was not stored"):
        assert part in comparison.verdict
    assert STORED not in comparison.worse
    back = compare(after, before)
    for part in ("More", "after (4 of 5)", "before (2 of 5)"):
        assert part in back.verdict
    # Five examples are too few for the interval, but they are the very same.
    assert STORED in back.worse
    assert "As many" in compare(before, before).verdict
    assert compare(before, before).worse == ()


def test_other_data_are_matched_by_their_entries(before):
    X = torch.tensor([[0.9], [0.2], [0.3]])
    other = audit_of(0, 1, 2, 3, X=X)
    comparison = compare(before, other)
    assert not comparison.same_data
    pairs = comparison.examples.select("index", "index_after").rows()
    assert pairs == [(1, 2), (4, 0)]
    assert "5 and 3, 2 of them in both" in comparison.warnings[0]
    assert "smaller share" in comparison.verdict
    nothing = compare(before, audit_of(0, X=torch.tensor([[0.31]])))
    assert nothing.examples.is_empty()
    assert "1, 0 of them in both" in nothing.warnings[0]


def test_a_duplicate_is_matched_once(before):
    twice = audit_of(0, X=torch.tensor([[0.1], [0.1]]))
    assert compare(before, twice).examples.select("index", "index_after").rows() == [(0, 0)]


def test_the_same_data_without_a_checksum(before):
    """An audit that tells none, or has them in another precision."""
    unspecified = dataclasses.replace(
        before, provenance={**before.provenance, "data_checksum": None}
    )
    assert compare(before, unspecified).same_data


def test_other_settings_are_reported(before):
    other = audit_of(0, 1, 2, 3, starts=20, seed=5, corruptions={"gaussian": [0.1]})
    (warning,) = compare(before, other).warnings
    assert "starts (40 before, 20 after)" in warning
    assert "seed (0 before, 5 after)" in warning
    assert "corruptions" in warning
    assert "match tol" not in warning
    # What only one of them tried is not compared.
    assert recalled_from("gaussian", 0.8, LABELS) not in set(
        compare(before, other).table["measure"]
    )


def test_what_was_asked_of_the_training_is_reported(before):
    def of(batch_size, seconds):
        return dataclasses.replace(
            before,
            provenance={
                **before.provenance,
                "spec": {"width": 64},
                "training": {"batch_size": batch_size, "seconds": seconds, "loss": 1e-9},
            },
        )

    assert compare(of(5, 1.0), of(20, 2.0)).changes == {"training: batch_size": (5, 20)}


def test_membership_is_compared_by_its_best_score_and_each(before):
    def of(**areas):
        scores = {name: made_score(auc, auc - 0.05, auc + 0.05) for name, auc in areas.items()}
        return before.with_summary(membership=made_membership(scores))

    comparison = compare(of(residual=0.9, loss=0.6), of(residual=0.5, loss=0.7))
    best = row(comparison, AREA)
    assert (best["before"], best["after"], best["clear"]) == (0.9, 0.7, True)
    assert best["high"] == pytest.approx(-0.2 + 0.05 * 2**0.5)
    loss = row(comparison, "membership: area under the curve, loss")
    assert loss["difference"] == pytest.approx(0.1)
    assert not loss["main"]
    assert comparison.worse == ()
    assert compare(of(residual=0.7), of(loss=0.9)).worse == (AREA,)


def test_what_was_not_measured_is_left_out(before):
    empty = dataclasses.replace(
        before.with_summary(stored=Rate.of(0, 0), certified=None),
        provenance={},
        pictures={},
        curves=before.curves.clear(),
        starts=before.starts.clear(),
    )
    comparison = compare(before, empty)
    measures = set(comparison.table["measure"])
    assert not measures & {STORED, CERTIFIED, FROM_NOISE, recalled_from("gaussian", 0.1, LABELS)}
    assert not comparison.same_data
    assert comparison.worse == ()


def test_what_is_certified_counts(before):
    def of(count):
        return before.with_summary(certified=Rate.of(count, 5))

    assert compare(of(1), of(2)).worse == (CERTIFIED,)
    assert compare(of(2), of(1)).worse == ()
