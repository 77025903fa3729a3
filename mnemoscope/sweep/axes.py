"""What a design varies: its axes, read from its tables and checked."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short
from mnemoscope.sweep.configuration import FIELDS
from mnemoscope.sweep.sobol import MOST_POINTS, Choices, Range

VARIED = tuple(
    f"{section}.{field}"
    for section, fields in FIELDS.items()
    if section != "measure"
    for field in fields
)
"""The paths of the fields that can be varied."""

_WHOLE = {
    "spec.width", "spec.depth", "spec.channels", "spec.kernel_size", "spec.downsample",
    "spec.levels", "data.n", "data.offset", "data.size", "training.batch_size",
    "training.max_steps",
}  # fmt: skip

_RANGE_FIELDS = {*Range.model_fields, *Choices.model_fields}


class DesignError(MnemoscopeError):
    """Something wrong at certain places of a design.

    Args:
        at: Their dotted paths from the top, such as `grid.spec.depth` or `zip.0.training.lr`.
        given: What stands there.
        expected: What was expected instead.
        todo: What can be done about it.
    """

    def __init__(self, at: Iterable[str], given: str, *, expected: str, todo: str) -> None:
        self.at = tuple(at)
        self.fault = given
        super().__init__(f"{PythonPlaces().told(self.at)}, {given}", expected=expected, todo=todo)


class PythonPlaces:
    """Where the parts of a design made in Python stand: its arguments."""

    def told(self, paths: Iterable[str]) -> str:
        """The places of keys, such as `Design.grid and Design.zip[0]`.

        Args:
            paths: Dotted, such as `grid.spec.depth` or `zip.0.training.lr`.
        """
        *first, last = dict.fromkeys(map(self._of, paths)) or {"Design": None}
        return f"{', '.join(first)}{' and ' if first else ''}{last}"

    def _of(self, path: str) -> str:
        part, _, rest = path.partition(".")
        index = rest.partition(".")[0]
        return f"Design.{part}[{index}]" if part == "zip" and index else f"Design.{part}"


@dataclass(frozen=True)
class Axis:
    """Fields that go together through a list of values.

    Attributes:
        fields: Their paths.
        points: A value of each of them, for each point.
    """

    fields: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Sample:
    """Fields that go together through Sobol points.

    Attributes:
        fields: Their paths.
        ranges: What each is drawn from.
        count: How many points.
        seed: Of the scrambling.
    """

    fields: tuple[str, ...] = ()
    ranges: tuple[Range | Choices, ...] = ()
    count: int = 1
    seed: int = 0


def grid_axes(grid: Mapping[str, Any]) -> list[Axis]:
    """An axis for each field of a grid.

    Raises:
        DesignError: a field is unknown, or has no list of values or one of them twice.
    """
    return [
        _axis(f"grid.{field}", {field: _listed(f"grid.{field}", field, values)})
        for field, values in grid.items()
    ]


def zip_axis(table: Mapping[str, Any], index: int) -> Axis:
    """The one axis of a zip table.

    Args:
        table: Lists by field.
        index: Which of the zip tables it is.

    Raises:
        DesignError: a field is unknown or has no list of values, the lists differ in length, or a
            combination comes twice.
    """
    at = f"zip.{index}"
    lists = {field: _listed(f"{at}.{field}", field, values) for field, values in table.items()}
    if not lists:
        raise DesignError(
            [at], "a zip of no fields", expected="at least one list", todo="leave the table out"
        )
    if len({len(values) for values in lists.values()}) > 1:
        raise DesignError(
            [f"{at}.{field}" for field in lists],
            " with ".join(f"{len(values)} values of {field}" for field, values in lists.items()),
            expected="lists of one length in a zip",
            todo="make them equally long, or move a field to the grid",
        )
    return _axis(at, lists)


def sample_axis(table: Mapping[str, Any]) -> Sample:
    """The sample's fields and ranges; of an empty table one point of no fields.

    Raises:
        DesignError: `count` or `seed` is missing or wrong, there are no fields, or one of them is
            unknown or has no range, or one of other than whole numbers where it takes only these.
    """
    if not table:
        return Sample()
    _refuse_misspelled(table)
    count = _whole(table, "count", least=1, most=MOST_POINTS)
    seed = _whole({"seed": 0, **table}, "seed", least=0, most=2**31 - 1)
    varied = {field: value for field, value in table.items() if field not in ("count", "seed")}
    if not varied:
        raise DesignError(
            ["sample"],
            f"a sample of {count} points of no fields",
            expected="at least one field",
            todo="add one, such as training.lr = { low = 1e-4, high = 1e-1, scale = 'log' }",
        )
    ranges = tuple(_range(f"sample.{field}", field, value) for field, value in varied.items())
    return Sample(tuple(varied), ranges, count, seed)


def check_fixed(section: str, fields: Mapping[str, Any]) -> None:
    """Refuses fields that a section does not have.

    Raises:
        DesignError: there is one.
    """
    for name, value in fields.items():
        if name not in FIELDS[section]:
            raise DesignError(
                [f"{section}.{name}"],
                f"{section}.{name}={short(value)}, which is no field",
                expected=f"{section} with one of {', '.join(FIELDS[section])}",
                todo=_meant(f"{section}.{name}", otherwise=f"leave out `{name}`"),
            )


def flattened(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Values by the dotted path of their field, however the table nests.

    A path may come twice: once as nested tables and once as a quoted key.
    """
    pairs: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and not _RANGE_FIELDS & value.keys():
            pairs += ((f"{key}.{field}", inner) for field, inner in value.items())
        else:
            pairs.append((key, value))
    return pairs


def plain(value: Any) -> Any:
    """A value as JSON has it: arrays and tuples become lists, their numbers Python's own.

    What JSON does not have is left as it is.
    """
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(inner) for inner in value]
    # Arrays, tensors and their scalars.
    return value.tolist() if hasattr(value, "tolist") else value


def check_plain(path: str, value: Any) -> None:
    """Refuses values that JSON does not have, or that no field takes: NaN, infinity, dates.

    Args:
        path: Where the value stands.
        value: What `plain` made of it.

    Raises:
        DesignError: it has one.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise DesignError(
                    [path], f"the name {short(key)}", expected="names as text", todo="change it"
                )
            check_plain(f"{path}.{key}", inner)
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            check_plain(f"{path}.{i}", inner)
    elif not (value is None or isinstance(value, str | int | float)) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise DesignError(
            [path],
            f"{path}={short(value)}",
            expected="finite numbers, texts, truth values, or lists of them",
            todo="name a function as 'package.module:function', so that workers can import it"
            if callable(value)
            else "change it",
        )


def _axis(at: str, lists: Mapping[str, Sequence[Any]]) -> Axis:
    """Lists of one length as an axis, each of whose points is another one.

    Raises:
        DesignError: a point comes twice.
    """
    points = tuple(zip(*lists.values(), strict=True))
    seen: set[str] = set()
    for point in points:
        told = repr(point)
        if told in seen:
            raise DesignError(
                [at if at.startswith("grid") else f"{at}.{field}" for field in lists],
                " with ".join(f"{field}={short(v)}" for field, v in zip(lists, point, strict=True))
                + " twice",
                expected="each value once" if len(lists) == 1 else "each combination once",
                todo="leave out the second",
            )
        seen.add(told)
    return Axis(tuple(lists), points)


def _listed(at: str, field: str, values: Any) -> Sequence[Any]:
    _check_varied(at, field, values)
    if isinstance(values, list) and values:
        return values
    ranged = isinstance(values, dict) and bool(_RANGE_FIELDS & values.keys())
    alone = "leave the field out" if values == [] else "write a single value as a list of one"
    raise DesignError(
        [at],
        f"{field}={short(values)}",
        expected="a list of at least one value",
        todo="move the range to `sample`" if ranged else alone,
    )


def _refuse_misspelled(table: Mapping[str, Any]) -> None:
    """Refuses what was to be a sample's `count` or `seed`: no field has a name without a dot."""
    for name, value in table.items():
        if "." in name or name in ("count", "seed"):
            continue
        near = get_close_matches(name.lower(), ("count", "seed"), n=1)
        if near:
            raise DesignError(
                [f"sample.{name}"],
                f"a sample with {name}={short(value)}",
                expected="count, seed, and a range for each field",
                todo=f"did you mean `{near[0]}`?",
            )


def _range(at: str, field: str, value: Any) -> Range | Choices:
    _check_varied(at, field, value)
    if not isinstance(value, dict):
        raise DesignError(
            [at],
            f"{field}={short(value)}",
            expected="a range such as { low = 1e-4, high = 1e-1, scale = 'log' }, or "
            "{ choices = [...] }",
            todo="write { choices = [...] }" if isinstance(value, list) else "write one of these",
        )
    try:
        found = Choices(**value) if "choices" in value else Range(**value)
    except MnemoscopeError as error:
        raise DesignError(
            [at], f"{field}: {error.given}", expected=error.expected, todo=error.todo
        ) from None
    if isinstance(found, Range) and not found.whole and field in _WHOLE:
        raise DesignError(
            [at], f"{field}={short(value)}", expected="whole numbers", todo="add whole = true"
        )
    return found


def _check_varied(at: str, field: str, value: Any) -> None:
    if field in VARIED:
        return
    if field.startswith("measure."):
        raise DesignError(
            [at],
            f"{field}={short(value)}, which is varied",
            expected="one way to measure all runs",
            todo="put it under `measure`, and compare designs that differ in it",
        )
    raise DesignError(
        [at],
        f"{field}={short(value)}, which is no field",
        expected="a field of spec, data or training, such as spec.depth",
        todo=_meant(field, otherwise=f"choose one of {', '.join(VARIED)}"),
    )


def _meant(path: str, *, otherwise: str) -> str:
    """The path of the field that was probably meant: of the same name, or the nearest."""
    paths = [f"{section}.{field}" for section, fields in FIELDS.items() for field in fields]
    same = [known for known in paths if known.partition(".")[2] == path.rpartition(".")[2]]
    return did_you_mean(same[0] if same else path, paths, otherwise=otherwise)


def _whole(table: Mapping[str, Any], name: str, *, least: int, most: int) -> int:
    value = table.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise DesignError(
            [f"sample.{name}"],
            f"a sample with {name}={short(value)}" if name in table else f"a sample without {name}",
            expected=f"a whole number, {least} to {most}",
            todo=f"{'change' if name in table else 'add'} `{name}`",
        )
    return value
