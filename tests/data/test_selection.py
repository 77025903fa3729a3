import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.data.reading import Selection

counts = st.integers(1, 50)
offsets = st.integers(0, 50)


@given(available=counts, n=counts, offset=offsets)
def test_exactly_n_examples_after_the_offset_or_an_error(available, n, offset):
    selection = Selection(n, offset)
    if offset + n <= available:
        taken = range(available)[selection.rows(available, "it")]
        assert list(taken) == list(range(offset, offset + n))
    else:
        with pytest.raises(MnemoscopeError, match=f"it, which has {available} examples"):
            selection.rows(available, "it")


@given(available=counts, offset=offsets)
def test_without_n_all_that_are_left(available, offset):
    selection = Selection(None, offset)
    if offset < available:
        assert len(range(available)[selection.rows(available, "it")]) == available - offset
    else:
        with pytest.raises(MnemoscopeError, match=f"has {available} examples"):
            selection.rows(available, "it")


def test_no_examples_at_all_is_an_error():
    with pytest.raises(MnemoscopeError, match="it, which has no examples"):
        Selection(None).rows(0, "it")
