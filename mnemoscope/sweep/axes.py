"""The axes of a design: which fields vary, over which values, and which of them go together.

A sample is a scrambled Sobol sequence, which fills a box evenly, mapped onto the fields' ranges.
Sources: I. M. Sobol, USSR Comput. Math. Math. Phys. 7 (1967); the scrambling is that of
J. Matoušek, J. Complexity 14 (1998), as in `scipy.stats.qmc.Sobol`.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from scipy.stats import qmc

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import StrictModel
from mnemoscope.base.text import short
from mnemoscope.nets.spec import Count, Whole
from mnemoscope.sweep.configuration import FIELDS

VARIED = tuple(
    f"{section}.{field}"
    for section, fields in FIELDS.items()
    if section != "measure"
    for field in fields
)
"""The paths of the fields that can be varied."""

_WHOLE = {
    *(f"spec.{field}" for field in ("width", "depth", "channels", "kernel_size", "downsample")),
    *("spec.levels", "data.n", "data.offset", "data.size"),
    *("training.batch_size", "training.max_steps"),
}

MAX_POINTS = 2**20
"""Maximum number of points of one sample."""

_CHUNK = 4096

_Bound = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Range(StrictModel, frozen=True, extra="forbid"):
    """Numbers between two bounds.

    With `whole`, whole numbers only, both bounds among them. On the linear scale each is equally
    likely; on the log scale k has the share of log((k + ½) / (k − ½)).
    """

    low: _Bound = Field(description="a finite number")
    high: _Bound = Field(description="a finite number")
    scale: Literal["linear", "log"] = Field(default="linear", description="linear or log")
    whole: bool = Field(default=False, strict=True, description="true or false")

    @model_validator(mode="after")
    def _fits(self) -> "Range":
        if self.low >= self.high:
            raise MnemoscopeError(
                f"low={self.low:g} with high={self.high:g}",
                expected="a `low` below its `high`",
                todo="swap them, or set the field to one value",
            )
        if self.scale == "log" and self.low <= 0:
            raise MnemoscopeError(
                f"low={self.low:g} with scale='log'",
                expected="a `low` above 0",
                todo="raise `low`, or use the linear scale",
            )
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise MnemoscopeError(
                f"low={self.low!r} and high={self.high!r} with whole=true",
                expected="whole numbers",
                todo="round them, or leave `whole` out",
            )
        return self

    def values(self, u: Float[np.ndarray, " n"]) -> list[Any]:
        """Returns the numbers at the shares `u` of the range, in [0, 1)."""
        margin = 0.5 if self.whole else 0.0
        low, high = self.low - margin, self.high + margin
        if self.scale == "log":
            low, high = np.log(low), np.log(high)
        # A weighted mean does not overflow where `high - low` would.
        x = (1 - u) * low + u * high
        if self.scale == "log":
            x = np.exp(x)
        if self.whole:
            x = np.floor(x + 0.5)
        x = np.clip(x, self.low, self.high)
        return [int(value) for value in x] if self.whole else x.tolist()


class Choices(StrictModel, frozen=True, extra="forbid"):
    """A list of values, each equally likely."""

    choices: tuple[Any, ...] = Field(min_length=1, description="a list of at least one value")

    def values(self, u: Float[np.ndarray, " n"]) -> list[Any]:
        """Returns the values at the shares `u` of the list, in [0, 1)."""
        return [self.choices[i] for i in (u * len(self.choices)).astype(np.int64)]


@dataclass(frozen=True)
class SobolPoints:
    """The first points of a scrambled Sobol sequence, a value for each range.

    More points begin with the same ones. They are computed a few thousand at a time.

    Attributes:
        ranges: The ranges, at least one.
        count: The number of points; a power of two fills the box best.
        seed: Seed of the scrambling.
    """

    ranges: tuple[Range | Choices, ...]
    count: int
    seed: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        generator = np.random.default_rng(self.seed)
        # SciPy before 1.15 knows no `rng`.
        engine = qmc.Sobol(len(self.ranges), seed=generator)  # pyright: ignore[reportCallIssue]
        for begin in range(0, self.count, _CHUNK):
            u = engine.random(_CHUNK)[: self.count - begin]
            columns = [range_.values(u[:, k]) for k, range_ in enumerate(self.ranges)]
            yield from zip(*columns, strict=True)


_RANGE_FIELDS = {*Range.model_fields, *Choices.model_fields}


def plain(value: Any) -> Any:
    """Converts a value to what JSON holds: tuples, arrays and tensors become lists."""
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_listed))
    except (TypeError, ValueError, RecursionError) as error:
        raise MnemoscopeError(
            "a value that JSON does not hold",
            expected="finite numbers, texts, truth values, or lists of them",
            todo="name a function as 'package.module:function', so that workers can import it"
            if callable(value)
            else "change it",
        ) from error


def flattened(table: Any) -> Any:
    """Names the values of a table by the dotted path of their field, however the table nests."""
    if not isinstance(table, Mapping):
        return plain(table)
    found: dict[str, Any] = {}
    for key, value in table.items():
        nested = isinstance(value, Mapping) and not _RANGE_FIELDS & value.keys()
        for path, inner in value.items() if nested else [(None, value)]:
            name = f"{key}.{path}" if nested else str(key)
            if name in found:
                raise MnemoscopeError(
                    f"{name}, which is varied twice",
                    expected=f"{name} in one place",
                    todo="leave one of them out",
                    field=name,
                )
            found[name] = inner
    return found


def known_field(section: str | None = None, others: Collection[str] = ()) -> Callable[[str], str]:
    """Returns the validator of the names of the fields of a section, or of those that vary."""
    names = (*others, *(VARIED if section is None else FIELDS[section]))

    def check(name: str) -> str:
        if name in names:
            return name
        if name.startswith("measure.") and section is None:
            raise MnemoscopeError(
                f"{name}, which is varied",
                expected="one way to measure all runs",
                todo="put it under `measure`, and compare designs that differ in it",
                field=name,
            )
        raise MnemoscopeError(
            f"{name}, which is no field",
            expected=f"one of {', '.join(names)}",
            todo=_meant(name if section is None else f"{section}.{name}", others),
            field=name,
            choices=names,
        )

    return check


def _values(values: Any) -> list[Any]:
    """Checks the values of a field that varies: a list of different ones."""
    if not isinstance(values, list) or not values:
        ranged = isinstance(values, dict) and bool(_RANGE_FIELDS & values.keys())
        alone = "leave the field out" if values == [] else "write a single value as a list of one"
        raise MnemoscopeError(
            "values",
            expected="a list of at least one value",
            todo="move the range to `sample`" if ranged else alone,
        )
    return values


def _different(values: list[Any]) -> list[Any]:
    _refuse_repeated(values, expected="each value once")
    return values


def _zipped(lists: dict[str, list[Any]]) -> dict[str, list[Any]]:
    if not lists:
        raise MnemoscopeError("no fields", expected="at least one list", todo="leave the table out")
    if len({len(values) for values in lists.values()}) > 1:
        raise MnemoscopeError(
            " with ".join(f"{len(values)} values of {field}" for field, values in lists.items()),
            expected="lists of one length in a zip",
            todo="make them equally long, or move a field to the grid",
        )
    _refuse_repeated(list(zip(*lists.values(), strict=True)), expected="each combination once")
    return lists


def _refuse_repeated(points: Sequence[Any], *, expected: str) -> None:
    seen: set[str] = set()
    for point in map(repr, points):
        if point in seen:
            raise MnemoscopeError(
                f"{point} twice", expected=expected, todo=f"leave out the second {point}"
            )
        seen.add(point)


def _variation(field: str, given: Any) -> Range | Choices:
    try:
        value = plain(given)
        if isinstance(value, dict):
            return Choices(**value) if "choices" in value else Range(**value)
    except MnemoscopeError as error:
        path = ".".join(filter(None, (field, error.field)))
        raise error.replaced(given=f"{field}: {error.given}", field=path) from error
    raise MnemoscopeError(
        f"{field}={short(value)}",
        expected="a range such as { low = 1e-4, high = 1e-1, scale = 'log' }, or a table "
        "{ choices = [...] }",
        todo="write { choices = [...] }" if isinstance(value, list) else "write one of these",
        field=field,
    )


Plain = Annotated[Any, BeforeValidator(plain)]
"""A value that JSON holds."""

Varied = Annotated[str, AfterValidator(known_field())]
"""The path of a field that can be varied."""

_Values = Annotated[list[Any], BeforeValidator(_values), BeforeValidator(plain)]

Grid = Annotated[
    dict[Varied, Annotated[_Values, AfterValidator(_different)]], BeforeValidator(flattened)
]
"""A list of values for each field; each field is an axis of its own."""

Zip = Annotated[dict[Varied, _Values], BeforeValidator(flattened), AfterValidator(_zipped)]
"""Equally long lists of values by field, which together are one axis."""


class Sample(StrictModel, frozen=True, extra="allow"):
    """Sobol points over ranges and choices by field, which together are one axis."""

    count: Annotated[Count, Field(le=MAX_POINTS)] = Field(
        description=f"a whole number, 1 to {MAX_POINTS}"
    )
    seed: Whole = Field(default=0, description=f"a whole number, 0 to {2**31 - 1}")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        check = known_field(others=("count", "seed"))
        return {
            name: value if name in cls.model_fields else _variation(check(name), value)
            for name, value in given.items()
        }

    @model_validator(mode="after")
    def _fits(self) -> "Sample":
        if not self.ranges:
            raise MnemoscopeError(
                f"{self.count} points of no fields",
                expected="at least one field",
                todo="add one, such as training.lr = { low = 1e-4, high = 1e-1, scale = 'log' }",
            )
        for field, drawn in self.ranges.items():
            if isinstance(drawn, Range) and not drawn.whole and field in _WHOLE:
                raise MnemoscopeError(
                    f"{field} from {drawn.low:g} to {drawn.high:g}",
                    expected="whole numbers",
                    todo="add whole = true",
                    field=field,
                )
        return self

    @property
    def ranges(self) -> dict[str, Range | Choices]:
        """The range or the choices of each field."""
        return self.model_extra or {}

    @property
    def points(self) -> SobolPoints:
        """A value of each field, for each point."""
        return SobolPoints(tuple(self.ranges.values()), self.count, self.seed)


def _listed(value: Any) -> Any:
    """Converts an array, a tensor, their scalars or a range; other values are not plain."""
    if isinstance(value, range):
        return list(value)
    if not hasattr(value, "tolist"):
        raise TypeError
    return value.tolist()


def _meant(path: str, others: Collection[str]) -> str:
    """Suggests the field that was probably meant: one of the same name, or the nearest."""
    paths = [f"{section}.{field}" for section, fields in FIELDS.items() for field in fields]
    same = [known for known in paths if known.partition(".")[2] == path.rpartition(".")[2]]
    known = [*others, *paths] if "." not in path else paths
    return did_you_mean(same[0] if same else path, known, otherwise=f"leave out `{path}`")
