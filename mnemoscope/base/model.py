"""A strict pydantic model whose errors are one line."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.small_files import parse_json
from mnemoscope.base.text import short

Model = TypeVar("Model", bound="StrictModel")


class StrictModel(BaseModel, frozen=True, extra="forbid", ser_json_inf_nan="strings"):
    """A frozen pydantic model whose errors are `MnemoscopeError`s of one line.

    The message states what a field expects in the words of its `description`.

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
        """Returns the values as one JSON object; NaN and infinity are written as strings."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls: type[Model], text: str | bytes) -> Model:
        """Reads what `to_json` wrote.

        Raises:
            MnemoscopeError: the text is no JSON object, or its values do not fit the fields.
        """
        return cls(**json_object(text, what=f"the JSON of a {cls.__name__}"))


def json_object(text: str | bytes, *, what: str) -> dict[str, Any]:
    """Parses the text of one JSON object; `what` names the text in the error."""
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


def _in_one_line(
    model: type[BaseModel], data: dict[str, Any], error: ValidationError
) -> MnemoscopeError:
    errors = error.errors(include_url=False)
    # A misspelled field also leaves another one missing; the misspelling is the cause.
    misspelled = [e for e in errors if e["type"] == "extra_forbidden" and len(e["loc"]) == 1]
    first = (misspelled or errors)[0]
    cause = first.get("ctx", {}).get("error")
    known = cause if isinstance(cause, MnemoscopeError) else None
    if not first["loc"]:
        return known or MnemoscopeError(
            f"{model.__name__}: {first['msg']}", expected="fields that fit", todo="change them"
        )
    field = str(first["loc"][0])
    if misspelled:
        fields = list(model.model_fields)
        return MnemoscopeError(
            f"{model.__name__} has no field {field} (given {field}={short(data[field])})",
            expected=f"one of {', '.join(fields)}",
            todo=did_you_mean(field, fields, otherwise=f"leave out `{field}`"),
            field=field,
            choices=fields,
        )
    if known:
        return _nested([*map(str, first["loc"])], first["input"], known)
    given, todo = f"{field}={short(data.get(field))}", f"change `{field}`"
    if field not in data:
        given, todo = f"{model.__name__} was given no {field}", f"pass `{field}`"
    expected = model.model_fields[field].description or first["msg"]
    place = [field]
    value: Any = data.get(field)
    # Pydantic puts the branches of a union between the parts that lead to the value.
    for part in first["loc"][1:]:
        with suppress(LookupError, TypeError):
            value = value[part]
            place.append(str(part))
    return MnemoscopeError(given, expected=expected, todo=todo, field=".".join(place))


def _nested(loc: list[str], value: Any, error: MnemoscopeError) -> MnemoscopeError:
    """Returns the error of a value inside a model, with its dotted place."""
    # Pydantic marks an error of a table's key by a last part of its own.
    table = loc[:-2] if loc[-1] == "[key]" else loc
    place = ".".join(table)
    if table == loc and not isinstance(value, Mapping):
        return error.replaced(given=f"{place}={short(value)}", field=place)
    # In a table, the error itself names the field and its value.
    named = error.field is not None and error.given.startswith(error.field)
    field = place if error.field is None else f"{place}.{error.field}"
    return error.replaced(given=f"{place}{'.' if named else ': '}{error.given}", field=field)
