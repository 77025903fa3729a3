import math
from types import SimpleNamespace

import polars as pl
import pytest
import torch

from mnemoscope.claims.claim import find_claim
from mnemoscope.claims.denoising import denoising_error
from mnemoscope.claims.memorization_time import errors, first_below, times


def test_crossing_is_interpolated_in_logarithms():
    assert first_below([10, 40], [8.0, 0.5], 2.0) == pytest.approx(20.0)
    assert first_below([10, 40], [1.0, 0.5], 2.0) == 10
    assert math.isnan(first_below([10, 40], [8.0, 4.0], 2.0))


def paths(memorizing, generalizing):
    """Paths whose times are powers of `n` with these exponents, by hand."""
    rows = []
    for n in (20, 40, 80, 160):
        for seed in (0, 1):
            for k in range(16):
                steps = 25 * 2**k
                # The held-out error falls as 1 / steps, to 1; the ratio too, from 1 on.
                held = max(1.0, 100 * (n / 20) ** generalizing * (1 + 0.1 * seed) / steps)
                ratio = min(1.0, 400 * (n / 20) ** memorizing * (1 + 0.1 * seed) / steps)
                rows.append(
                    {
                        "kind": "denoiser", "n": n, "seed": seed, "steps": steps,
                        "diverged": False, "interpolated": True,
                        "train_error": held * ratio, "held_out_error": held,
                    }
                )  # fmt: skip
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("memorizing", "generalizing", "verdicts"),
    [(1.0, 0.0, ["holds", "holds"]), (0.0, 1.0, ["fails", "fails"])],
)
def test_exponents(memorizing, generalizing, verdicts):
    runs = paths(memorizing, generalizing)
    found = times(runs).filter(seed=0)
    # The ratio is at 1/2 at 800 steps, for n = 20.
    assert found["memorizing"][0] == pytest.approx(800)
    growth = found["memorizing"][3] / found["memorizing"][0]
    assert growth == pytest.approx(8**memorizing)
    checks = list(find_claim("memorization-time").checks(runs))
    assert [check.verdict for check in checks] == verdicts


def test_a_network_that_never_memorizes_has_no_time():
    runs = paths(0.0, 0.0).with_columns(train_error=pl.col("held_out_error"))
    assert times(runs)["memorizing"].null_count() == 8
    first, second = find_claim("memorization-time").checks(runs)
    assert (first.verdict, second.verdict) == ("not_applicable", "holds")


def test_error_of_the_identity_is_the_noise():
    X = torch.rand(5, 200, generator=torch.Generator().manual_seed(0))
    # The width is uniform from 0 to 0.3: its mean square is 0.3^2 / 3.
    assert denoising_error(torch.nn.Identity(), X, 0.3, 0) == pytest.approx(0.03, rel=0.2)
    assert denoising_error(torch.nn.Identity(), X, 0.0, 0) == 0


class Identities(list):
    fits = (SimpleNamespace(converged=True),)


def test_noise_of_the_errors_is_in_units_of_the_training_examples():
    X = 7 * torch.rand(5, 200, generator=torch.Generator().manual_seed(0))
    group = SimpleNamespace(replicas=Identities([torch.nn.Identity()]), X=[X], seeds=[0])
    (row,) = errors(group, held_out=X + 1, noise=0.3)
    # As above, in the scale of data whose entries range over almost 7.
    assert row["train_error"] == pytest.approx(0.03 * 49, rel=0.2)
    assert row["held_out_error"] == pytest.approx(0.03 * 49, rel=0.2)
