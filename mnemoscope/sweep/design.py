"""A design: which runs a sweep is made of, as a TOML file or in Python."""

import itertools
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import StrictModel
from mnemoscope.base.small_files import check_depth, read_text
from mnemoscope.base.text import short
from mnemoscope.nets.spec import Count, Whole
from mnemoscope.sweep.axes import (
    Axis,
    DesignError,
    PythonPlaces,
    Sample,
    check_fixed,
    check_plain,
    flattened,
    grid_axes,
    plain,
    sample_axis,
    zip_axis,
)
from mnemoscope.sweep.configuration import FIELDS
from mnemoscope.sweep.sobol import sobol_points
from mnemoscope.sweep.toml_places import DEEPEST, TomlPlaces, check_keys, key_lines

LONGEST_NAME = 100
"""Characters of a design's name, which becomes a file's."""

LARGEST_TEXT = 2**20
"""Bytes of the largest file that is taken for a design."""

LONGEST_TIMEOUT = 10**9
"""Seconds, 31 years: timers take ten times as much and no more."""

_VARIED_TABLES = ("grid", "zip", "sample")


def _name(name: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME}}}", name):
        raise ValueError
    return name


def _seeds(seeds: int | Sequence[int]) -> int | Sequence[int]:
    if not isinstance(seeds, int) and len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise MnemoscopeError(
            "seeds",
            expected="each seed once",
            todo=f"leave out the second {twice}",
        )
    return seeds


class Design(StrictModel, frozen=True, extra="forbid"):
    """Which runs a sweep is made of: every combination of its axes, once for each seed.

    The axes are the fields of `grid`, one each; the tables of `zip`, whose fields go together;
    and the Sobol points of `sample`. Fields are named by their path, such as `spec.depth`; tables
    may nest instead. All other fields of a run are fixed.

    Args:
        name: Letters, digits, `-` and `_`: it becomes part of names of files.
        about: What the sweep is to show, in a sentence.
        seeds: How many, from 0 on; or which.
        keep_weights: Of which networks the weights are kept: `none`, those that store an example
            (`stored`), or `all`.
        group_size: The most runs that are trained together; by the network's size if left out.
        timeout: Seconds that a group may take.
        retries: How often a group whose worker died or hung is tried again before it is split.
        device: Where the groups compute, `cpu` or `cuda`.
        data: Fixed fields of `mnemoscope.sweep.configuration.Data`.
        spec: Fixed fields of a spec; its shape is that of the examples.
        training: Fixed fields of `mnemoscope.training.TrainingOptions`.
        measure: Fields of `mnemoscope.sweep.measure.Measure`.
        grid: Lists of values by field.
        zip: Tables of equally long lists by field.
        sample: `count` and `seed`, and by field a range `{low, high, scale, whole}` or
            `{choices}`.

    Raises:
        MnemoscopeError: a field is misspelled, missing, of the wrong type or out of range, or is
            varied twice, or is both fixed and varied.

    Example:
        >>> data = {"source": "digits", "n": 10}
        >>> design = Design(name="depth", data=data, grid={"spec.depth": [1, 2]}, seeds=3)
        >>> design.count, list(design.settings())
        (6, [{'spec.depth': 1}, {'spec.depth': 2}])
    """

    name: Annotated[str, Field(strict=True), AfterValidator(_name)] = Field(
        description=f"1 to {LONGEST_NAME} letters, digits, - and _"
    )
    about: str = Field(default="", strict=True, description="a text")
    seeds: Annotated[
        Count | Annotated[Sequence[Whole], Field(min_length=1)], AfterValidator(_seeds)
    ] = Field(
        default=1,
        description="a whole number, 1 or more, or a list of different ones, 0 or more each",
    )
    keep_weights: Literal["none", "stored", "all"] = Field(
        default="none", description="none, stored or all"
    )
    group_size: Count | None = Field(
        default=None, description="a whole number, 1 or more, or nothing"
    )
    timeout: float = Field(
        default=3600.0,
        strict=True,
        gt=0,
        le=LONGEST_TIMEOUT,
        allow_inf_nan=False,
        description=f"seconds, more than 0 and at most {LONGEST_TIMEOUT}",
    )
    retries: Whole = Field(default=1, description="a whole number, 0 or more")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cpu or cuda")
    data: dict[str, Any] = Field(default_factory=dict, description="a table of fields of data")
    spec: dict[str, Any] = Field(default_factory=dict, description="a table of fields of a spec")
    training: dict[str, Any] = Field(
        default_factory=dict, description="a table of fields of training"
    )
    measure: dict[str, Any] = Field(
        default_factory=dict, description="a table of fields of measure"
    )
    grid: dict[str, Any] = Field(
        default_factory=dict, description="a table with a list of values for each field"
    )
    zip: Sequence[dict[str, Any]] = Field(
        default=(), description="a list of tables, in TOML each under [[zip]]"
    )
    sample: dict[str, Any] = Field(
        default_factory=dict, description="a table with count, seed and a range for each field"
    )
    _places: TomlPlaces | PythonPlaces = PrivateAttr(default_factory=PythonPlaces)

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, given: Any) -> Any:
        """Plain values, and fields by their dotted paths."""
        if not isinstance(given, Mapping):
            return given
        told = {key: plain(value) for key, value in given.items()}
        for table in ("grid", "sample"):
            if isinstance(told.get(table), dict):
                told[table] = _unique(table, told[table])
        if isinstance(told.get("zip"), list):
            told["zip"] = [
                _unique(f"zip.{i}", table) if isinstance(table, dict) else table
                for i, table in enumerate(told["zip"])
            ]
        return told

    @model_validator(mode="after")
    def _fits(self) -> "Design":
        for table in (*FIELDS, *_VARIED_TABLES):
            check_plain(table, getattr(self, table))
        for section in FIELDS:
            fields = getattr(self, section)
            self._check_above(section, fields)
            check_fixed(section, fields)
        self._axes()
        sample_axis(self.sample)
        fixed = self.fixed()
        for field in self.factors:
            paths = self._paths(field)
            if len(paths) > 1:
                how = "both fixed and varied" if field in fixed else "varied twice"
                raise DesignError(
                    paths,
                    f"{field}, which is {how}",
                    expected=f"{field} in one place",
                    todo="leave one of them out",
                )
        if not self._paths("data.source"):
            raise DesignError(
                ["data"],
                "no data.source",
                expected="what mn.load_data reads, as text",
                todo="set `source` under `data`, such as source = 'digits'",
            )
        return self

    def __eq__(self, other: object) -> bool:
        """Whether it is the same design, wherever it was read from."""
        return isinstance(other, Design) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Of all fields."""
        return hash(self.to_json())

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> "Design":
        """Reads a design from a TOML file.

        Raises:
            MnemoscopeError: the file cannot be read, is no TOML, or is no design; its line is told
                where there is one.
        """
        text = _read(Path(path))
        try:
            check_keys(text)
            table = tomllib.loads(text)
            check_depth(table, DEEPEST)
            places = TomlPlaces(str(path), key_lines(text))
        except MnemoscopeError as error:
            raise MnemoscopeError(
                f"{path}, {error.given}", expected=error.expected, todo=error.todo
            ) from None
        except (ValueError, RecursionError) as error:
            raise _no_toml(path, text, error) from None
        try:
            design = cls(**table)
        except DesignError as error:
            raise MnemoscopeError(
                f"{places.told(error.at)}, {error.fault}", expected=error.expected, todo=error.todo
            ) from None
        except MnemoscopeError as error:
            named = re.search(r"(?:^|\(given )([^\s=]+)=", error.given)
            place = places.told([named[1]] if named else [])
            raise MnemoscopeError(
                f"{place}, {error.given}", expected=error.expected, todo=error.todo
            ) from None
        # Private attributes may be set, frozen or not.
        design._places = places  # pyright: ignore[reportAttributeAccessIssue]
        return design

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, as JSON has them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Design":
        """The design that `to_dict` told.

        Raises:
            MnemoscopeError: it does not fit.
        """
        return cls(**told)

    @property
    def seed_values(self) -> Sequence[int]:
        """The seeds, each of which every setting is run with."""
        return range(self.seeds) if isinstance(self.seeds, int) else self.seeds

    @property
    def factors(self) -> tuple[str, ...]:
        """The paths of the varied fields: those of the grid, of the zips, of the sample."""
        fields = [field for axis in self._axes() for field in axis.fields]
        return (*fields, *self._sample().fields)

    @property
    def count(self) -> int:
        """How many runs there are: settings times seeds."""
        count = self._sample().count * len(self.seed_values)
        for axis in self._axes():
            count *= len(axis.points)
        return count

    def settings(self) -> Iterator[dict[str, Any]]:
        """Every combination of the axes, as values by the path of their field.

        They are made one after the other. The last field of the grid and zips changes fastest,
        the sample slowest.
        """
        factors, sampled = self.factors, self._sample()
        lists = [axis.points for axis in self._axes()]
        drawn = (
            sobol_points(sampled.ranges, sampled.count, sampled.seed) if sampled.fields else [()]
        )
        for last in drawn:
            for parts in itertools.product(*lists):
                values = itertools.chain.from_iterable((*parts, last))
                yield dict(zip(factors, values, strict=True))

    def fixed(self) -> dict[str, Any]:
        """The values of the fields that are not varied, by their path."""
        return {
            f"{section}.{field}": value
            for section in FIELDS
            for field, value in getattr(self, section).items()
        }

    def place(self, *fields: str) -> str:
        """Where fields are set, as a message tells it.

        Args:
            fields: Paths such as `spec.depth`, or names such as `seeds`.

        Returns:
            Such as `design.toml:14 and 15`; of a design made in Python, such as `Design.grid`. Of
            fields that are not set, the file or `Design`.
        """
        return self._places.told(path for field in fields for path in self._paths(field))

    def _check_above(self, section: str, fields: Mapping[str, Any]) -> None:
        """Refuses what is no field of the section but one of the design."""
        for name, value in fields.items():
            if name in type(self).model_fields and name not in FIELDS[section]:
                raise DesignError(
                    [f"{section}.{name}"],
                    f"{section}.{name}={short(value)}, which is no field",
                    expected=f"{name} as a field of the design itself",
                    todo=f"write `{name}` above the first table",
                )

    def _axes(self) -> list[Axis]:
        tables = [zip_axis(table, i) for i, table in enumerate(self.zip)]
        return [*grid_axes(self.grid), *tables]

    def _sample(self) -> Sample:
        return sample_axis(self.sample)

    def _paths(self, field: str) -> list[str]:
        """Where a field is set, as paths from the top."""
        if field in type(self).model_fields:
            return [field]
        section, _, name = field.partition(".")
        fixed = section in FIELDS and name in getattr(self, section)
        return [
            *([field] if fixed else []),
            *([f"grid.{field}"] if field in self.grid else []),
            *(f"zip.{i}.{field}" for i, table in enumerate(self.zip) if field in table),
            *([f"sample.{field}"] if field in self.sample else []),
        ]


def _unique(path: str, table: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in flattened(table):
        if field in found:
            raise DesignError(
                [f"{path}.{field}"],
                f"{field}, which is varied twice",
                expected=f"{field} in one place",
                todo="leave one of them out",
            )
        found[field] = value
    return found


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise MnemoscopeError(
                f"{path}, which is a folder" if path.is_dir() else f"{path}, which is no file",
                expected="a design as a TOML file",
                todo="name a file",
            )
        text = read_text(path, largest=LARGEST_TEXT)
    except MnemoscopeError:
        raise
    except UnicodeDecodeError as error:
        raise MnemoscopeError(
            f"{path}, which is no text ({error.reason} at byte {error.start})",
            expected="a design as a TOML file in UTF-8",
            todo="check the path, or save it as UTF-8",
        ) from None
    except (OSError, ValueError) as error:
        raise MnemoscopeError(
            f"{path}, which cannot be read ({getattr(error, 'strerror', None) or error})",
            expected="a design as a TOML file",
            todo="check the path",
        ) from None
    if not text.strip():
        raise MnemoscopeError(
            f"{path}, which is empty",
            expected="a design as a TOML file",
            todo="give it a `name`, `source` under [data], and fields to vary under [grid]",
        )
    return text


def _no_toml(
    path: str | os.PathLike[str], text: str, error: ValueError | RecursionError
) -> MnemoscopeError:
    if isinstance(error, RecursionError):
        return MnemoscopeError(
            f"{path}, whose values nest too deeply", expected="a design", todo="nest less"
        )
    if not isinstance(error, tomllib.TOMLDecodeError):
        # Such as a number of thousands of digits, of which no line is told.
        return MnemoscopeError(
            f"{path}, {str(error).partition(';')[0]}", expected="valid TOML", todo="shorten it"
        )
    found = re.search(r"at line (\d+), column (\d+)", str(error))
    lines = text.split("\n")
    line, column = map(int, found.groups()) if found else (len(lines), len(lines[-1]) + 1)
    reason = re.sub(r" \(at .*\)$", "", str(error))
    shown = f": {short(lines[line - 1].strip())}" if line <= len(lines) else ""
    return MnemoscopeError(
        f"{path}:{line}:{column}, {reason}{shown}",
        expected="valid TOML",
        todo=f"mend line {line} at column {column}",
    )
