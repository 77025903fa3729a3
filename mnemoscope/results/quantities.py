"""The quantities of a summary, derived from the declarations of its fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mnemoscope.base.quantity import Kind, Quantity
from mnemoscope.base.stats import Rate, Share

KINDS: dict[type, Kind] = {
    Rate: "rate",
    Share: "share",
    bool: "truth",
    int: "count",
    float: "number",
}
"""The kind of a field by its type: the first that it is a subclass of."""


@dataclass(frozen=True)
class Label:
    """The label of a field of a summary.

    Attributes:
        text: A noun phrase.
        unit: The unit, if it has one.
        main: True if it measures how much is memorized: a rise makes a model worse.
    """

    text: str
    unit: str = ""
    main: bool = False


def quantities(model: type[BaseModel], prefix: str = "") -> Iterator[Quantity]:
    """Lists the quantities of a model and of the models inside it, in the order of the fields.

    Names are paths: `stored`, `membership.scores.loss.auc`. A field without a `Label` has an empty
    label.
    """
    for name, field in model.model_fields.items():
        kind = _type_of(field)
        if issubclass(kind, BaseModel):
            yield from quantities(kind, f"{prefix}{name}.")
            continue
        known: Kind | None = next((KINDS[one] for one in KINDS if issubclass(kind, one)), None)
        if known is not None:
            label = next((each for each in field.metadata if isinstance(each, Label)), Label(""))
            path = f"{prefix}{name}"
            yield Quantity(path, known, label.text, label.unit, main=label.main)


def value_in(summary: BaseModel, name: str) -> Any:
    """Looks up a quantity by its path; None where it was not measured."""
    value: Any = summary
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _type_of(field: FieldInfo) -> type:
    """Returns the type of a field, without None; `object` for containers and unions."""
    annotation = field.annotation
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if len(parts) == 1 and type(None) in get_args(annotation):
        annotation = parts[0]
    return annotation if isinstance(annotation, type) and not get_args(annotation) else object
