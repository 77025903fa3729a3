import pytest
import torch

import mnemoscope as mn


@pytest.mark.parametrize(
    ("labels", "share"),
    [
        ([0, 0, 1, 1], 0.0),
        ([0, 1, 2, 2], 0.5),
        ([0, 0, 0, 1, -1, -1], 0.25),
        ([-1, -1], 1.0),
        ([], 1.0),
    ],
)
def test_share_of_starts_by_hand(labels, share):
    assert mn.good_turing(torch.tensor(labels, dtype=torch.int64)) == share


def test_it_estimates_the_unseen_mass():
    # 200 equally likely attractors, 100 starts: (1 - 1/200)^100 = 0.61 of the mass is unseen.
    generator = torch.Generator().manual_seed(0)
    estimates = [
        mn.good_turing(torch.randint(200, (100,), generator=generator)) for _ in range(200)
    ]
    # The mean of 200 estimates, each with a standard deviation below 0.06.
    assert sum(estimates) / 200 == pytest.approx((1 - 1 / 200) ** 99, abs=0.015)
