"""Names with an optional number in parentheses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnemoscope.base.check import name_and_number
from mnemoscope.base.errors import MnemoscopeError


def parse(text: str) -> tuple[str, float | None]:
    return name_and_number(
        text, what="colour", names=("red", "green"), with_number=("green", "grey")
    )


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("red", ("red", None)),
        ("green", ("green", None)),
        ("green(0.5)", ("green", 0.5)),
        ("grey(-2)", ("grey", -2.0)),
        ("grey(1e-3)", ("grey", 1e-3)),
        (" grey ( 3 ) ", ("grey", 3.0)),
    ],
)
def test_a_name_and_its_number(text: str, parsed: tuple[str, float | None]):
    assert parse(text) == parsed


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_to_the_bit(number: float):
    assert parse(f"grey({number!r})") == ("grey", number)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("gren", "`green`"),
        ("RED", "`red`"),
        ("violet", "violet"),
        ("", "red, green, grey(number)"),
        ("red(1)", "no number"),
        ("grey", "grey(number)"),
        ("grey()", "finite number"),
        ("grey(x)", "finite number"),
        ("grey(nan)", "finite number"),
        ("grey(inf)", "finite number"),
        ("grey(1", "`grey`"),
    ],
)
def test_what_cannot_be_parsed_is_refused_in_one_line(text: str, fragment: str):
    with pytest.raises(MnemoscopeError) as error:
        parse(text)
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)
