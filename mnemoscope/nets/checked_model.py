"""A pydantic model that tells a wrong value in one line."""

from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mnemoscope.errors import MnemoscopeError
from mnemoscope.small_files import parse_json

Model = TypeVar("Model", bound="CheckedModel")


class CheckedModel(BaseModel, frozen=True, extra="forbid", ser_json_inf_nan="strings"):
    """A frozen pydantic model whose errors are `MnemoscopeError`s of one line.

    What a field expects is told in the words of its `description`.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range.
    """

    def __init__(self, /, **data: Any) -> None:
        """Checks the values, given by the names of their fields."""
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _in_one_line(type(self), data, error) from None

    def to_json(self) -> str:
        """The values as one JSON object; not-a-number and infinity are written as strings."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls: type[Model], text: str | bytes) -> Model:
        """Reads what `to_json` wrote.

        Raises:
            MnemoscopeError: the text is no JSON object, or its values do not fit the fields.
        """
        return cls(**json_object(text, what=f"the JSON of a {cls.__name__}"))


def json_object(text: str | bytes, *, what: str) -> dict[str, Any]:
    """Parses the text of one JSON object; `what` names the text in the error.

    Raises:
        MnemoscopeError: the text is not JSON, or is JSON but no object.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        raise MnemoscopeError(
            f"{what} cannot be parsed ({error})",
            expected="the text of one JSON object",
            todo="pass what `to_json()` returned",
        ) from None
    if not isinstance(value, dict):
        raise MnemoscopeError(
            f"{what} is {short(value)}",
            expected="a JSON object",
            todo="pass what `to_json()` returned",
        )
    return value


def did_you_mean(given: str, names: list[str], *, otherwise: str) -> str:
    """What to do about a name that is not in the list: the nearest one, if any is near."""
    near = get_close_matches(given.lower(), names, n=1)
    return f"did you mean `{near[0]}`?" if near else otherwise


def short(value: object) -> str:
    """A value as at most 80 characters on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _in_one_line(
    model: type[BaseModel], data: dict[str, Any], error: ValidationError
) -> MnemoscopeError:
    errors = error.errors(include_url=False)
    # A misspelled field also leaves another one missing; the misspelling is the cause.
    misspelled = [e for e in errors if e["type"] == "extra_forbidden" and len(e["loc"]) == 1]
    first = (misspelled or errors)[0]
    cause = first.get("ctx", {}).get("error")
    if not first["loc"]:
        if isinstance(cause, MnemoscopeError):
            return cause
        return MnemoscopeError(
            f"{model.__name__}: {first['msg']}", expected="fields that fit", todo="change them"
        )
    field = str(first["loc"][0])
    if misspelled:
        fields = list(model.model_fields)
        return MnemoscopeError(
            f"{model.__name__} has no field {field} (given {field}={short(data[field])})",
            expected=f"one of {', '.join(fields)}",
            todo=did_you_mean(field, fields, otherwise=f"leave out `{field}`"),
        )
    expected = model.model_fields[field].description or first["msg"]
    if field not in data:
        return MnemoscopeError(
            f"{model.__name__} was given no {field}", expected=expected, todo=f"pass `{field}`"
        )
    given = f"{field}={short(data[field])}"
    if isinstance(cause, MnemoscopeError):
        return MnemoscopeError(given, expected=cause.expected, todo=cause.todo)
    return MnemoscopeError(given, expected=expected, todo=f"change `{field}`")
