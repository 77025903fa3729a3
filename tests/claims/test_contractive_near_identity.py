import math

import polars as pl
import pytest
import torch

from mnemoscope.claims.claim import find_claim
from mnemoscope.claims.contractive_near_identity import closed_form, fine_points, points


@pytest.mark.parametrize("waves", [1, 16, 256])
def test_closed_form_is_what_was_derived(waves):
    row = closed_form(waves)
    assert row["n"] == row["contractive"] == waves + 1
    assert row["largest_radius"] < 1e-6
    assert row["distance"] == pytest.approx(1 / (2 * math.pi * waves), rel=1e-9)


def test_points_fill_the_cube():
    assert points(4, 1)[:, 0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert points(64, 2).shape == (64, 2)
    assert torch.unique(points(64, 2), dim=0).shape == (64, 2)
    assert points(16, 8).shape == (16, 8)
    for d in (1, 2, 8):
        fine = fine_points(d)
        assert fine.shape == (4096, d)
        assert 0 <= fine.min() <= fine.max() <= 1


def trained(distance):
    return pl.DataFrame(
        [
            {
                "study": "trained", "d": 1, "n": n, "seed": seed, "interpolated": True,
                "in_regime": True, "contractive": n, "largest_radius": 0.5,
                "distance": distance(n) * (1 + 0.1 * seed),
            }
            for n in (4, 16, 64)
            for seed in (0, 1)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("distance", "verdict"), [(lambda n: 1 / n, "holds"), (lambda n: 1.0, "fails")]
)
def test_distance_must_fall(distance, verdict):
    checks = list(find_claim("contractive-near-identity").checks(trained(distance)))
    (slope,) = (check for check in checks if check.what.startswith("slope"))
    assert slope.verdict == verdict


def test_reach_names_where_contraction_breaks():
    claim = find_claim("contractive-near-identity")
    runs = trained(lambda n: 1 / n)
    assert "d = 1: at every n" in claim.reach(runs)
    broken = runs.with_columns(
        contractive=pl.when(pl.col("n") >= 16).then(0).otherwise(pl.col("contractive"))
    )
    assert "below 95% contractive from n = 16 on" in claim.reach(broken)
