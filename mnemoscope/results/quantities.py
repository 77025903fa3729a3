"""What a summary measures: each quantity's name, kind, label and unit, declared with its field."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mnemoscope.base.stats import Rate, Share

Kind = Literal["rate", "share", "count", "number", "truth"]
"""A `rate` has a count, a total and an interval, a `share` no interval; a `count` is a number of
things."""


@dataclass(frozen=True)
class Label:
    """What people read for a field of a summary.

    Attributes:
        text: A noun phrase.
        unit: The unit, if it has one.
        main: Whether it measures how much is memorized: a rise makes a model worse.
    """

    text: str
    unit: str = ""
    main: bool = False


@dataclass(frozen=True)
class Quantity:
    """A quantity that a summary may hold.

    Attributes:
        name: The path of its field: `stored`, `membership.scores.loss.auc`.
        kind: What it is.
        label: What people read for it; None for a field that programs alone read.
    """

    name: str
    kind: Kind
    label: Label | None

    def value_in(self, summary: BaseModel) -> Any:
        """Looks up its value; None where it was not measured."""
        value: Any = summary
        for part in self.name.split("."):
            value = getattr(value, part, None)
        return value


def quantities(model: type[BaseModel], prefix: str = "") -> Iterator[Quantity]:
    """Lists the quantities of a model and of the models inside it, in the order of the fields."""
    for name, field in model.model_fields.items():
        yield from _of_field(f"{prefix}{name}", field)


def _of_field(path: str, field: FieldInfo) -> Iterator[Quantity]:
    label = next((each for each in field.metadata if isinstance(each, Label)), None)
    kind = _bare(field.annotation)
    if not isinstance(kind, type):
        return
    if issubclass(kind, BaseModel):
        yield from quantities(kind, f"{path}.")
    elif issubclass(kind, Rate):
        yield Quantity(path, "rate", label)
    elif issubclass(kind, Share):
        yield Quantity(path, "share", label)
    else:
        kinds: dict[type, Kind] = {bool: "truth", int: "count", float: "number"}
        if kind in kinds:
            yield Quantity(path, kinds[kind], label)


def _bare(annotation: Any) -> Any:
    """Removes `None` from an annotation of an optional field."""
    if get_origin(annotation) is None or annotation is None:
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return parts[0] if len(parts) == 1 else annotation
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return parts[0] if len(parts) == 1 and type(None) in get_args(annotation) else annotation
