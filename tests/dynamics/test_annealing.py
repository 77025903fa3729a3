"""Samples of denoisers whose answers are known."""

from itertools import pairwise

import pytest
import torch

import mnemoscope as mn
from mnemoscope.dynamics.annealing import Annealing, anneal
from mnemoscope.dynamics.states import rms


def to_one_point(z):
    return torch.full_like(z, 0.5)


def test_the_noise_level_falls_by_the_pace_in_each_step():
    d, steps = 40_000, 20
    f = mn.SelfMap(to_one_point, shape=(d,))
    seen = []

    def recorded(z):
        seen.append(float(rms(z - 0.5)))
        return to_one_point(z)

    Z = 0.5 + torch.randn(1, d, generator=torch.Generator().manual_seed(0))
    options = Annealing(until=0.0, step=0.2, pace=0.5, max_steps=steps)
    _, complete = anneal(mn.SelfMap(recorded, shape=(d,)), Z, options, seed=1)
    assert not complete.any()
    # The level of d normal numbers is known up to 1 / sqrt(2 d) in each step; 5 of these.
    for before, after in pairwise(seen[-steps - 1 :]):
        assert after / before == pytest.approx(1 - 0.5 * 0.2, abs=5 / (2 * d) ** 0.5)
    drawn, complete = anneal(f, Z, Annealing(until=1e-3), seed=1)
    assert complete.all()
    assert torch.equal(drawn, torch.full_like(drawn, 0.5))


def test_samples_of_two_points_are_these_points_in_equal_shares():
    d = 200

    def posterior_mean(z):
        # Of points -1 and 1 in all entries, with the noise level read from the distance to them.
        level = torch.minimum(rms(z - 1), rms(z + 1)).clamp_min(1e-6)
        log_odds = z.sum(1) / level**2
        return torch.tanh(log_odds).unsqueeze(1).expand_as(z)

    Z = torch.randn(400, d, generator=torch.Generator().manual_seed(0))
    f = mn.SelfMap(posterior_mean, shape=(d,))
    drawn, complete = anneal(f, Z, Annealing(until=0.01), seed=0)
    assert complete.all()
    assert (drawn.abs() - 1).abs().max() < 1e-3
    # 200 of 400 by symmetry, five standard deviations of a fair coin.
    assert abs(int((drawn[:, 0] > 0).sum()) - 200) <= 50


@pytest.mark.parametrize("wrong", [{"step": 0}, {"pace": 1}, {"until": -1}, {"max_steps": 0}])
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(mn.MnemoscopeError) as raised:
        Annealing(**({"until": 0.1} | wrong))
    assert raised.value.field in wrong
