"""Three phases of a denoiser: what is counted, and a quick run."""

import polars as pl

from mnemoscope.claims.memorized_spurious_generalized import COLUMNS, checks, note, same_within
from mnemoscope.data import load_data


def runs(*kinds, taken=0):
    rows = [
        {
            "n": n, "seed": 0, "interpolated": True, "in_regime": True, "samples": 100,
            "memorized": memorized, "spurious": spurious,
            "generalized": 100 - memorized - spurious, "incomplete": 0, "held_out": 300,
            "taken_for_known": taken, "train_error": 1.0, "held_out_error": 2.0, "tau": 0.05,
        }
        for n, memorized, spurious in kinds
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides=COLUMNS)


def test_each_kind_must_prevail_in_its_place():
    three = runs((2, 100, 0), (20, 40, 60), (50, 30, 20), (1400, 0, 30))
    assert [check.verdict for check in checks(three)] == ["holds"] * 5
    assert [check.measured for check in checks(three)] == [1.0, 0.6, 0.7, 0.0, 0.0]
    without_spurious = runs((2, 100, 0), (20, 60, 40), (1400, 0, 0))
    assert [check.verdict for check in checks(without_spurious)][1] == "fails"
    memorized = runs((2, 100, 0), (20, 0, 100), (1400, 60, 0))
    assert [check.verdict for check in checks(memorized)][2:4] == ["fails", "fails"]
    assert "n = 2: memorized 100% (100 of 100)" in note(three)


def test_a_threshold_that_takes_new_examples_for_known_ones_fails():
    assert list(checks(runs((2, 100, 0), (20, 0, 100), (1400, 0, 0), taken=30)))[-1].measured == 0.1


def test_the_threshold_is_half_of_what_new_digits_are_apart():
    digits = load_data("digits", n=1697)
    tau = same_within(digits[:1397], digits[1397:])
    apart = torch_distances(digits[1397:], digits[:1397])
    assert 10 <= (apart < 2 * tau).sum() <= 20


def torch_distances(Z, X):
    differences = Z.flatten(1)[:, None] - X.flatten(1)[None]
    return differences.square().mean(2).sqrt().amin(1)


def test_a_quick_run_counts_every_sample(quick):
    counted = quick("memorized-spurious-generalized").runs
    parts = counted["memorized"] + counted["spurious"] + counted["generalized"]
    assert (parts == counted["samples"]).all()
    assert (counted["samples"] + counted["incomplete"] == 100).all()
