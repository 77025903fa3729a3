"""Requirements of image networks on a state's shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.nets.convolutional import check_halvings

sides = st.integers(1, 64)


@given(h=sides, w=sides, times=st.integers(0, 6))
def test_a_picture_can_be_halved_if_halving_comes_out_even_each_time(h: int, w: int, times: int):
    side, even = [h, w], True
    for _ in range(times):
        even = even and all(s % 2 == 0 for s in side)
        side = [s // 2 for s in side]
    if even:
        check_halvings((1, h, w), times, field="levels")
    else:
        with pytest.raises(MnemoscopeError, match=f"levels={times}") as error:
            check_halvings((1, h, w), times, field="levels")
        assert error.value.field == "levels"
