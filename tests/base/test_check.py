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
    with pytest.raises(MnemoscopeError, match="whole number") as error:
        whole_number("trials", value, least=1)
    assert error.value.field == "trials"


@pytest.mark.parametrize("value", [0, 6])
def test_a_number_out_of_range_is_refused_with_the_range(value):
    with pytest.raises(MnemoscopeError, match=f"n={value}") as error:
        whole_number("n", value, least=1, most=5)
    assert error.value.field == "n"
    assert "1" in error.value.expected
    assert "5" in error.value.expected
