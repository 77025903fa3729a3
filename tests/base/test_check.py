import numpy as np
import pytest

from mnemoscope.base.check import whole_number
from mnemoscope.base.errors import MnemoscopeError


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_every_kind_of_integer_is_welcome(value):
    number = whole_number("n", value, least=1)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize("value", [True, 2.0, 2.5, "3", None, [1]])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(MnemoscopeError, match=r"trials=.*whole number"):
        whole_number("trials", value, least=1)


@pytest.mark.parametrize("value", [0, 6])
def test_the_range_is_told(value):
    with pytest.raises(MnemoscopeError, match="1 or more, at most 5"):
        whole_number("n", value, least=1, most=5)
