import polars as pl
import pytest

from mnemoscope.claims.claim import find_claim
from mnemoscope.claims.early_stopping import compared, settled_at


def path(**radii):
    """A network of two examples: its radii by the loss at which it was stopped."""
    return pl.DataFrame(
        [
            {
                "width": 8, "depth": 2, "n": 2, "seed": 0, "tol": float(tol), "in_regime": True,
                "interpolated": True, "radii": values, "kept": [value < 1 for value in values],
                "contractive": sum(value < 1 for value in values),
                "stored": sum(value < 1 for value in values),
            }
            for tol, values in radii.items()
        ]
    )  # fmt: skip


RUNS = path(**{"1e-3": [0.5, 2.0], "1e-4": [2.0, 0.5], "1e-6": [0.5, 0.5], "1e-8": [0.5, 0.9]})


def test_each_example_is_compared_with_itself_at_the_end():
    each = compared(RUNS)
    assert each.height == 4 * 2
    at = each.filter(pl.col("tol") == 1e-4).sort("example")
    assert at["contracts"].to_list() == [False, True]
    assert at["contracts_at_end"].to_list() == [True, True]


def test_loss_from_which_on_it_is_contractive():
    # Example 0 contracts at 1e-3 too, but not at 1e-4 after it.
    assert settled_at(RUNS).sort("example")["settled"].to_list() == [1e-6, 1e-4]
    never = path(**{"1e-4": [0.5, 0.5], "1e-8": [1.5, 0.5]})
    assert settled_at(never).sort("example")["settled"].to_list() == [None, 1e-4]


def test_early_losses_are_judged_and_others_are_not():
    checks = list(find_claim("early-stopping").checks(RUNS))
    assert [check.what.rpartition(" ")[2] for check in checks] == ["0.0001"] * 2 + ["1e-06"] * 2
    assert [check.measured for check in checks] == [0.5, 0.5, 1.0, 1.0]
    assert [check.verdict for check in checks] == ["fails", "fails", "holds", "holds"]


def test_without_an_end_nothing_is_judged():
    checks = list(find_claim("early-stopping").checks(RUNS.filter(pl.col("tol") > 1e-8)))
    assert [check.verdict for check in checks] == ["not_applicable"] * 4


@pytest.mark.slow
def test_quick(quick):
    result = quick("early-stopping")
    assert result.checks
    assert result.runs["tol"].n_unique() == 6
