import pytest
import torch

import mnemoscope as mn


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    # By the formula in exact arithmetic; 0 of 10 and 5 of 10 are in every textbook.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_values_by_hand(count, total, low, high):
    found = mn.wilson(count, total)
    assert [float(x) for x in found] == pytest.approx([low, high], abs=5e-5)


def test_it_covers_the_rate_about_95_times_in_100():
    rate, total = 0.9, 40
    counts = torch.binomial(
        torch.full((20_000,), float(total)),
        torch.full((20_000,), rate),
        generator=torch.Generator().manual_seed(0),
    )
    low, high = mn.wilson(counts.long(), total)
    covered = ((low <= rate) & (rate <= high)).double().mean()
    assert 0.92 < float(covered) < 0.98
