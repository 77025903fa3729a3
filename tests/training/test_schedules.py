import math
from dataclasses import asdict

import pytest

from mnemoscope.training.schedules import FALLING, RISING, SMALLEST, WINDOW, LearningRate


def shares(rate, losses, steps=WINDOW):
    """The share of the first rate after each of these losses, each over a whole window."""
    found = []
    for loss in losses:
        rate = rate.after(loss, steps)
        found.append(rate.share)
    return found


def plateau():
    return LearningRate("plateau", first=0.1, max_steps=1000)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # While it falls the rate stays at the first one.
        ([1.0, 0.5, 0.2, 0.1], [1.0, 1.0, 1.0, 1.0]),
        # It stalls: half. It falls: up by a tenth at a time, to the first rate and no further.
        ([1.0, 1.0, 0.5, 0.2], [1.0, 0.5, 0.55, 0.605]),
        (
            [1.0, 1.0] + [0.5**i for i in range(1, 9)],
            [1.0] + [0.5 * 1.1**i for i in range(8)] + [1.0],
        ),
        # It stalls and halving does not help: the halving is taken back, then tried again.
        ([1.0, 1.0, 1.0, 1.0], [1.0, 0.5, 1.0, 0.5]),
        # It rises: half each time, after a halving too.
        ([1.0, 2.0, 4.0, 8.0], [1.0, 0.5, 0.25, 0.125]),
        # Just not falling, just falling.
        ([1.0, FALLING], [1.0, 0.5]),
        ([1.0, 0.99 * FALLING], [1.0, 1.0]),
        # After a halving: just not rising is taken back, just rising is halved again.
        ([1.0, 1.0, RISING], [1.0, 0.5, 1.0]),
        ([1.0, 1.0, 1.01 * RISING], [1.0, 0.5, 0.25]),
    ],
)
def test_plateau(losses, expected):
    assert shares(plateau(), losses) == pytest.approx(expected)


def test_plateau_has_a_smallest_rate():
    found = shares(plateau(), [2.0**i for i in range(14)])
    assert min(found) == found[-1] == SMALLEST
    assert plateau().lr == 0.1


def test_plateau_judges_the_mean_over_a_window_whatever_its_parts():
    # Ten looks of ten steps each, whose mean is 1, then ten whose mean is 1 again: a stall.
    looks = [0.5, 1.5] * 10
    found = shares(plateau(), looks, steps=WINDOW // 10)
    assert found == [1.0] * 19 + [0.5]
    # A look weighs as many steps as it saw: (90 * 1 + 10 * 11) / 100 = 2 is not below 0.9 * 2.
    rate = plateau().after(2.0, WINDOW).after(1.0, 90).after(11.0, 10)
    assert rate.share == 0.5


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 1.0),
        (250, 0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2),
        (500, 0.505),
        (1000, 0.01),
        (2000, 0.01),
    ],
)
def test_cosine(step, share):
    rate = LearningRate("cosine", first=0.2, max_steps=1000).after(3.0, step)
    assert rate.share == pytest.approx(share)
    assert rate.lr == pytest.approx(0.2 * share)
    # It depends on the number of steps and not on how they came.
    parts = (
        LearningRate("cosine", first=0.2, max_steps=1000)
        .after(1.0, step - step // 3)
        .after(9.0, step // 3)
    )
    assert parts == rate


def test_constant():
    assert shares(LearningRate("constant", 0.3, 100), [1.0, 1.0, 5.0, 100.0]) == [1.0] * 4


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
def test_a_rate_comes_back_from_its_state(schedule):
    rate = LearningRate(schedule, 0.1, 1000).after(1.0, 150).after(1.0, 30)
    assert LearningRate(**asdict(rate)) == rate
    assert LearningRate(**asdict(rate)).after(1.0, 80) == rate.after(1.0, 80)
