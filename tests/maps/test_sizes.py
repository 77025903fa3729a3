import pytest

import mnemoscope as mn
from mnemoscope.maps.sizes import Sizes, have_sizes

RANGES = [(1, None, 1), (1, 7, 1), (3, 3, 1), (2, 9, 3), (4, 17, 2), (5, None, 4), (2, 3, 5)]


@pytest.mark.parametrize(("least", "most", "step"), RANGES)
def test_they_are_those_counted_one_by_one(least, most, step):
    sizes = Sizes(least, most, step)
    end = 60 if most is None else most
    listed = list(range(least, end + 1, step))
    assert [size for size in range(end + 1) if size in sizes] == listed
    assert sizes.largest == (None if most is None else listed[-1])
    for size in range(1, 40):
        expected = next((one for one in listed if one >= size), listed[-1])
        assert sizes.above(size) == expected


@pytest.mark.parametrize("wrong", [(0, 3, 1), (4, 3, 1), (1, 3, 0)])
def test_an_empty_range(wrong):
    with pytest.raises(mn.MnemoscopeError, match="a range of sizes"):
        Sizes(*wrong)


def test_in_words():
    assert str(Sizes()) == "at least 1"
    assert str(Sizes.only(4)) == "4"
    assert str(Sizes(2, 9)) == "2 to 9"
    assert str(Sizes(2, 9, 3)) == "2 to 8 in steps of 3"


def test_sides_of_a_state():
    sides = (3, Sizes(8, 32, 4))
    assert have_sizes((3, 12), sides)
    for wrong in ((3, 10), (3, 36), (1, 12), (3,), (3, 12, 12)):
        assert not have_sizes(wrong, sides)
