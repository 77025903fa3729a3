import math

import numpy as np
import pytest
import torch

import mnemoscope as mn
from mnemoscope.measure.two_sample import LEVEL, _interval, two_sample


def drawn(n, d=6, seed=0, **law):
    generator = torch.Generator().manual_seed(seed)
    return law.get("mean", 0.0) + law.get("std", 1.0) * torch.randn(n, d, generator=generator)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(10, 12), (30, 15)])
def test_splits_of_one_data_set_are_rejected_no_more_often_than_the_level_says(n, m):
    draws = 100
    X = mn.load_data("digits", n=1000)
    generator = torch.Generator().manual_seed(1)
    rejected = 0
    for seed in range(draws):
        rows = torch.randperm(len(X), generator=generator)[: n + m]
        test = two_sample(X[rows[:n]], X[rows[n:]], seed=seed, permutations=99)
        assert test is not None
        rejected += test.differs
    # Three standard errors of a count: a level that is right is missed once in a thousand times.
    assert rejected <= draws * LEVEL + 3 * math.sqrt(draws * LEVEL * (1 - LEVEL))


def test_digits_and_photos_are_distinguished():
    digits = mn.load_data("digits", n=20)
    photos = mn.load_data("photos", n=20, size=8).mean(1, keepdim=True)
    test = two_sample(digits, photos)
    assert test is not None
    assert test.accuracy > 0.9
    assert test.differs


@pytest.mark.parametrize(
    ("law", "classifier"),
    [({"mean": 0.7}, "linear"), ({"std": 3.0}, "neighbours")],
    ids=["another mean", "the same mean, another spread"],
)
def test_each_classifier_sees_what_the_other_does_not(law, classifier):
    test = two_sample(drawn(100, seed=1), drawn(100, seed=2, **law))
    assert test is not None
    assert test.differs
    assert test.classifier == classifier


def test_samples_of_unlike_sizes_are_not_distinguished_by_their_sizes():
    test = two_sample(drawn(200, seed=1), drawn(20, seed=2))
    assert test is not None
    assert not test.differs
    # Guessing the larger one would be right in 91% of all states, and in half on average.
    assert 0.3 < test.accuracy < 0.7
    assert test.sizes == (200, 20)


def test_the_smallest_p_value_is_that_of_the_permutations():
    test = two_sample(drawn(40), drawn(40) + 10, permutations=19)
    assert test is not None
    assert test.p_value == 1 / 20
    assert test.accuracy == 1.0


def test_constant_entries_and_equal_samples_do_no_harm():
    X = torch.cat([drawn(15), torch.zeros(15, 4)], dim=1)
    test = two_sample(X, X)
    assert test is not None
    assert not test.differs
    flat = two_sample(torch.zeros(12, 3), torch.zeros(12, 3))
    assert flat is not None
    assert not flat.differs


def test_the_same_seed_gives_the_same_numbers():
    X, Y = drawn(30, seed=1), drawn(30, seed=2, mean=0.3)
    assert two_sample(X, Y, seed=4) == two_sample(X, Y, seed=4)
    assert two_sample(X, Y, seed=4) != two_sample(X, Y, seed=5)


def test_too_few_states_are_not_tested():
    assert two_sample(drawn(9), drawn(100)) is None
    assert two_sample(drawn(100), drawn(9)) is None


def test_more_states_than_are_used_are_chosen_from_at_random():
    # Distinguished only by what comes after the first thousand.
    X = torch.cat([drawn(1000, seed=1), drawn(3000, seed=2, mean=4.0)])
    test = two_sample(X, drawn(300, seed=3), permutations=19)
    assert test is not None
    assert test.sizes == (1000, 300)
    assert test.differs


def test_the_interval_is_that_of_the_mean_of_two_shares():
    # With one share known exactly the other's Wilson interval is left, halved.
    own = np.array([True] * 10 + [False] * 10)
    right = np.array([True] * 5 + [False] * 5 + [True] * 10)
    low, high = _interval(right, own)
    below, above = (float(end) for end in mn.wilson(5, 10))
    rest = float(mn.wilson(10, 10)[0])
    assert low == pytest.approx(0.75 - math.hypot(0.5 - below, 1 - rest) / 2)
    assert high == pytest.approx(0.75 + (above - 0.5) / 2)
