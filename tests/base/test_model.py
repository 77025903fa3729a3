"""A pydantic model that tells a wrong value in one line."""

import pytest
from pydantic import Field, ValidationError, model_validator

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import StrictModel, json_object
from mnemoscope.base.text import short


class Box(StrictModel, frozen=True, extra="forbid"):
    height: int = Field(strict=True, ge=1, description="a height, 1 or more")
    colour: str = Field(default="red", description="the name of a colour")
    weight: float = Field(default=1.0, description="a weight")

    @model_validator(mode="after")
    def _red_boxes_are_low(self) -> "Box":
        if self.colour == "red" and self.height > 100:
            raise MnemoscopeError(
                "a red box", expected="a height of 100 at most", todo="paint it blue"
            )
        return self


def message(**fields: object) -> str:
    with pytest.raises(MnemoscopeError) as error:
        Box(**fields)  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_misspelled_field_is_told_with_the_nearest_one():
    told = message(heigth=3)
    assert told == (
        "Box has no field heigth (given heigth=3); expected one of height, colour, weight; "
        "did you mean `height`?"
    )


def test_an_unknown_field_that_is_near_to_none_is_to_be_left_out():
    assert message(height=3, x=1).endswith("leave out `x`")


def test_a_missing_field_is_told_with_what_it_expects():
    assert message() == "Box was given no height; expected a height, 1 or more; pass `height`"


@pytest.mark.parametrize("height", [0, -1, "3", 2.0, None, [1], True])
def test_a_wrong_value_is_told_with_the_field_and_what_it_expects(height: object):
    told = message(height=height)
    assert told == f"height={height!r}; expected a height, 1 or more; change `height`"


def test_a_long_value_is_cut():
    assert len(message(height=list(range(10_000)))) < 200


def test_fields_that_do_not_fit_together_are_told_in_the_words_of_their_check():
    assert message(height=101) == "a red box; expected a height of 100 at most; paint it blue"


def test_values_cannot_be_changed():
    with pytest.raises(ValidationError):
        Box(height=1).height = 2  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("weight", [0.1, 1 / 3, 5e-324, float("inf"), -float("inf")])
def test_json_comes_back_to_the_bit(weight: float):
    box = Box(height=2, weight=weight)
    assert Box.from_json(box.to_json()) == box


def test_not_a_number_comes_back_as_not_a_number():
    weight = Box.from_json(Box(height=2, weight=float("nan")).to_json()).weight
    assert weight != weight


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "cannot be parsed"),
        ("{", "cannot be parsed"),
        (b"\xff\xfe\xfd", "cannot be parsed"),
        ("[" * 100_000, "cannot be parsed"),
        ("[]", "is []"),
        ("3", "is 3"),
        ("null", "is None"),
    ],
)
def test_text_that_is_no_json_object_is_told(text: str, told: str):
    with pytest.raises(MnemoscopeError, match="the JSON of a box") as error:
        json_object(text, what="the JSON of a box")
    assert told in str(error.value)


def test_json_that_does_not_fit_is_told_like_any_wrong_value():
    with pytest.raises(MnemoscopeError, match="height=0; expected a height, 1 or more"):
        Box.from_json('{"height": 0}')


def test_the_nearest_name_is_looked_for_in_lower_case():
    assert did_you_mean("DEPHT", ["width", "depth"], otherwise="-") == "did you mean `depth`?"
    assert did_you_mean("q", ["width", "depth"], otherwise="-") == "-"


def test_short_is_one_line_of_80_characters_at_most():
    assert short("ab") == "'ab'"
    assert short("x" * 78) == f"'{'x' * 78}'"
    assert short("x" * 79) == f"'{'x' * 76}..."
