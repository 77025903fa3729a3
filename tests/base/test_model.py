"""A strict pydantic model that reports invalid values in one line."""

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


def refused(**fields: object) -> MnemoscopeError:
    with pytest.raises(MnemoscopeError) as error:
        Box(**fields)  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(error.value)
    return error.value


def test_a_misspelled_field_is_refused_with_the_nearest_one():
    error = refused(heigth=3)
    assert error.field == "heigth"
    assert error.choices == ("height", "colour", "weight")
    assert "heigth=3" in error.given
    assert "`height`" in error.todo


def test_an_unknown_field_that_is_near_to_none_is_refused_without_a_suggestion():
    error = refused(height=3, x=1)
    assert error.field == "x"
    assert error.choices == ("height", "colour", "weight")
    assert not any(f"`{name}`" in error.todo for name in error.choices)


def test_a_missing_field_is_refused_with_what_it_expects():
    error = refused()
    assert error.field == "height"
    assert "no height" in error.given
    assert error.expected == "a height, 1 or more"


@pytest.mark.parametrize("height", [0, -1, "3", 2.0, None, [1], True])
def test_a_wrong_value_is_refused_with_the_field_and_what_it_expects(height: object):
    error = refused(height=height)
    assert error.field == "height"
    assert error.given == f"height={height!r}"
    assert error.expected == "a height, 1 or more"


def test_a_long_value_is_cut():
    assert len(str(refused(height=list(range(10_000))))) < 200


def test_fields_that_do_not_fit_together_are_refused_in_the_words_of_their_check():
    error = refused(height=101)
    parts = (error.given, error.expected, error.todo)
    assert parts == ("a red box", "a height of 100 at most", "paint it blue")


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
    ("text", "fragment"),
    [
        ("", "cannot be parsed"),
        ("{", "cannot be parsed"),
        (b"\xff\xfe\xfd", "cannot be parsed"),
        ("[" * 100_000, "cannot be parsed"),
        ("[]", "[]"),
        ("3", "3"),
        ("null", "None"),
    ],
)
def test_text_that_is_no_json_object_is_refused(text: str, fragment: str):
    with pytest.raises(MnemoscopeError, match="the JSON of a box") as error:
        json_object(text, what="the JSON of a box")
    assert fragment in error.value.given


def test_json_that_does_not_fit_is_refused_like_any_wrong_value():
    with pytest.raises(MnemoscopeError, match="height=0") as error:
        Box.from_json('{"height": 0}')
    assert error.value.field == "height"


def test_the_nearest_name_is_looked_for_in_lower_case():
    assert did_you_mean("DEPHT", ["width", "depth"], otherwise="-") == "did you mean `depth`?"
    assert did_you_mean("q", ["width", "depth"], otherwise="-") == "-"


def test_short_is_one_line_of_80_characters_at_most():
    assert short("ab") == "'ab'"
    assert short("x" * 78) == f"'{'x' * 78}'"
    assert short("x" * 79) == f"'{'x' * 76}..."
