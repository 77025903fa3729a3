"""The points of a sample."""

import math
from collections import Counter

import numpy as np
import pytest

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.sweep.axes import Choices, Range, SobolPoints

BOX = (
    Range(low=1e-4, high=1e-1, scale="log"),
    Range(low=8, high=256, scale="log", whole=True),
    Range(low=-2, high=3),
    Choices(choices=("default", [1, 2], None)),
)


def test_points_come_again_with_their_seed():
    assert list(SobolPoints(BOX, 16, 3)) == list(SobolPoints(BOX, 16, 3))
    assert list(SobolPoints(BOX, 16, 3)) != list(SobolPoints(BOX, 16, 4))


@pytest.mark.parametrize(
    ("few", "more"), [(1, 2), (5, 64), (64, 65), (4_000, 5_000), (4_096, 8_200)]
)
def test_more_points_begin_with_the_same_ones(few, more):
    longer = list(SobolPoints(BOX, more, 0))
    assert len(longer) == more
    assert longer[:few] == list(SobolPoints(BOX, few, 0))


def test_every_value_is_in_its_range_and_of_pythons_own_type():
    for lr, width, x, choice in SobolPoints(BOX, 512, 0):
        assert type(lr) is type(x) is float
        assert type(width) is int
        assert 1e-4 <= lr <= 1e-1
        assert 8 <= width <= 256
        assert -2 <= x <= 3
        assert choice in BOX[3].choices


@pytest.mark.parametrize(
    "range_", [Range(low=3, high=6, whole=True), Choices(choices=(3, 4, 5, 6))], ids=repr
)
def test_every_whole_number_and_every_choice_is_equally_likely(range_):
    # Each of the 1024 intervals of a net of 1024 points has one of them.
    counts = Counter(value for (value,) in SobolPoints((range_,), 1024, 0))
    assert counts == {3: 256, 4: 256, 5: 256, 6: 256}


def test_a_logarithm_is_uniform():
    logs = [math.log10(x) for (x,) in SobolPoints((BOX[0],), 1024, 0)]
    assert np.histogram(logs, bins=4, range=(-4, -1))[0].tolist() == [256] * 4


def test_whole_numbers_on_the_log_scale_have_the_share_of_their_interval():
    counts = Counter(
        k for (k,) in SobolPoints((Range(low=1, high=4, scale="log", whole=True),), 4096, 0)
    )
    total = math.log(4.5 / 0.5)
    for k in range(1, 5):
        assert counts[k] == pytest.approx(4096 * math.log((k + 0.5) / (k - 0.5)) / total, abs=2)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("whole", [False, True])
def test_the_ends_of_a_range_are_its_bounds(scale, whole):
    low, high = Range(low=2, high=9, scale=scale, whole=whole).values(
        np.array([0.0, np.nextafter(1, 0)])
    )
    assert low == 2
    assert high == pytest.approx(9)
    assert high <= 9


def test_the_widest_range_does_not_overflow():
    assert np.isfinite(Range(low=-1e308, high=1e308).values(np.array([0.0, 0.5, 0.999]))).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"low": 2, "high": 1}, "low=2 with high=1"),
        ({"low": 1, "high": 1}, "low=1 with high=1"),
        ({"low": 0, "high": 1, "scale": "log"}, "low=0 with scale='log'"),
        ({"low": -1, "high": 1, "scale": "log"}, "low=-1 with scale='log'"),
        ({"low": 1, "high": 2.5, "whole": True}, "whole numbers"),
        ({"low": 1, "high": math.inf}, "high=inf"),
        ({"low": math.nan, "high": 1}, "low=nan"),
        ({"low": "1", "high": 2}, "low='1'"),
        ({"low": True, "high": 2}, "low=True"),
        ({"low": 1}, "no high"),
        ({"low": 1, "high": 2, "scale": "logg"}, "linear or log"),
        ({"low": 1, "hgih": 2}, "`high`"),
    ],
)
def test_a_range_that_is_none_is_refused(fields, words):
    with pytest.raises(MnemoscopeError) as error:
        Range(**fields)
    assert words in str(error.value)


@pytest.mark.parametrize("choices", [(), 3])
def test_choices_that_are_none_are_refused(choices):
    with pytest.raises(MnemoscopeError, match="at least one value"):
        Choices(choices=choices)
