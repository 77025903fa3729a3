"""A design: the runs that a sweep is made of, as a TOML file or in Python."""

import itertools
import math
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.model import StrictModel
from mnemoscope.base.small_files import check_depth, read_text
from mnemoscope.nets.spec import Count, Whole
from mnemoscope.sweep.axes import Grid, Plain, Sample, Zip, flattened, known_field, plain
from mnemoscope.sweep.configuration import FIELDS

MAX_NAME = 100
"""Maximum length of a design's name, which becomes a file's."""

MAX_TEXT = 2**20
"""Size of the largest file that is read as a design (bytes)."""

MAX_TIMEOUT = 10**9
"""The longest time limit (s), 31 years: timers accept no more than ten times as much."""

MAX_DEPTH = 20
"""Maximum depth of nested tables and lists."""

# A key of many dotted parts takes the reader of TOML a time that is quadratic in their number.
_DEEP_KEY = re.compile(rf"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}")


def _name(name: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_NAME}}}", name):
        raise ValueError
    return name


def _seeds(seeds: int | Sequence[int]) -> int | Sequence[int]:
    if not isinstance(seeds, int) and len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise MnemoscopeError(
            "seeds", expected="each seed once", todo=f"leave out the second {twice}"
        )
    return seeds


_TABLES = ("grid.", "zip.", "sample.")

_DataFields = dict[Annotated[str, AfterValidator(known_field("data"))], Plain]
_SpecFields = dict[Annotated[str, AfterValidator(known_field("spec"))], Plain]
_TrainingFields = dict[Annotated[str, AfterValidator(known_field("training"))], Plain]
_MeasureFields = dict[Annotated[str, AfterValidator(known_field("measure"))], Plain]


class Design(StrictModel, frozen=True, extra="forbid"):
    """Describes the runs of a sweep: every combination of its axes, once for each seed.

    The axes are the fields of `grid`, one each; the tables of `zip`, whose fields go together;
    and the Sobol points of `sample`. Fields are named by their path, such as `spec.depth`; tables
    may nest instead. All other fields of a run are fixed.

    Args:
        name: Letters, digits, `-` and `_`: it becomes part of names of files.
        about: The purpose of the sweep, in a sentence.
        seeds: The number of seeds, from 0 on; or a list of them.
        keep_weights: The networks whose weights are kept: `none`, those that store an example
            (`stored`), or `all`.
        group_size: Maximum number of runs that are trained together; default: by the network's
            size.
        timeout: Time limit of a group (s).
        retries: How often a group whose worker died or hung is tried again before it is split.
        device: Where the groups compute, `cpu` or `cuda`.
        data: Fixed fields of `mnemoscope.sweep.configuration.Data`.
        spec: Fixed fields of a spec; its shape is that of the examples.
        training: Fixed fields of `mnemoscope.training.TrainingOptions`.
        measure: Fields of `mnemoscope.sweep.configuration.Measure`.
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
        description=f"1 to {MAX_NAME} letters, digits, - and _"
    )
    about: str = Field(default="", strict=True, description="a text")
    seeds: Annotated[
        Count | Annotated[Sequence[Whole], Field(min_length=1)],
        BeforeValidator(plain),
        AfterValidator(_seeds),
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
        le=MAX_TIMEOUT,
        allow_inf_nan=False,
        description=f"seconds, more than 0 and at most {MAX_TIMEOUT}",
    )
    retries: Whole = Field(default=1, description="a whole number, 0 or more")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="cpu or cuda")
    data: _DataFields = Field(default_factory=dict, description="a table of fields of data")
    spec: _SpecFields = Field(default_factory=dict, description="a table of fields of a spec")
    training: _TrainingFields = Field(
        default_factory=dict, description="a table of fields of training"
    )
    measure: _MeasureFields = Field(
        default_factory=dict, description="a table of fields of measure"
    )
    grid: Grid = Field(
        default_factory=dict, description="a table with a list of values for each field"
    )
    zip: tuple[Zip, ...] = Field(
        default=(), description="a list of tables, in TOML each under [[zip]]"
    )
    sample: Annotated[Sample | None, BeforeValidator(lambda given: flattened(given) or None)] = (
        Field(default=None, description="a table with count, seed and a range for each field")
    )

    @model_validator(mode="after")
    def _fits(self) -> "Design":
        for field in self.factors:
            keys = self._keys(field)
            if len(keys) > 1:
                how = "varied twice" if keys[0].startswith(_TABLES) else "both fixed and varied"
                raise MnemoscopeError(
                    f"{' and '.join(keys)}, since {field} is {how}",
                    expected=f"{field} in one place",
                    todo="leave one of them out",
                    field=keys[-1],
                )
        if not self._keys("data.source"):
            raise MnemoscopeError(
                "no data.source",
                expected="what mn.load_data reads, as text",
                todo="set `source` under `data`, such as source = 'digits'",
                field="data.source",
            )
        return self

    def __hash__(self) -> int:
        """Computes a hash of all fields."""
        return hash(self.to_json())

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> "Design":
        """Reads a design from a TOML file.

        Raises:
            MnemoscopeError: the file cannot be read, is not TOML, or is no design; `field` is the
                dotted key at fault, such as `grid.spec.depth` or `zip.0`.
        """
        text = _read(Path(path))
        try:
            if _DEEP_KEY.search(text):
                raise RecursionError(f"a key of more than {MAX_DEPTH} dotted parts")
            table = tomllib.loads(text)
            check_depth(table, MAX_DEPTH)
            return cls(**table)
        except MnemoscopeError as error:
            name = (error.field or "").rpartition(".")[2]
            misplaced = error.choices and "." in (error.field or "") and name in cls.model_fields
            todo = f"write `{name}` above the first table" if misplaced else error.todo
            raise error.replaced(given=f"{path}, {error.given}", todo=todo) from None
        except (ValueError, RecursionError) as error:
            # The reader names the line and the column.
            raise MnemoscopeError(
                f"{path}, {str(error).partition(';')[0]}",
                expected="valid TOML that nests no deeper than a design",
                todo="correct the file",
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values: `Design(**values)` is the same design."""
        return self.model_dump(mode="json")

    @property
    def seed_values(self) -> Sequence[int]:
        """The seeds with which every setting is run."""
        return range(self.seeds) if isinstance(self.seeds, int) else self.seeds

    @property
    def factors(self) -> tuple[str, ...]:
        """The paths of the varied fields: those of the grid, of the zips, of the sample."""
        sampled = self.sample.ranges if self.sample else ()
        return tuple(itertools.chain(self.grid, *self.zip, sampled))

    @property
    def count(self) -> int:
        """The number of runs: settings times seeds."""
        sampled = self.sample.count if self.sample else 1
        return len(self.seed_values) * math.prod(map(len, self._lists())) * sampled

    def settings(self) -> Iterator[dict[str, Any]]:
        """Yields every combination of the axes, as values by the path of their field.

        The last field of the grid and zips changes fastest, the sample slowest.
        """
        factors, lists = self.factors, self._lists()
        # One by one: a sample may have a million points.
        for last in self.sample.points if self.sample else [()]:
            for parts in itertools.product(*lists):
                values = itertools.chain.from_iterable((*parts, last))
                yield dict(zip(factors, values, strict=True))

    def _lists(self) -> list[list[tuple[Any, ...]]]:
        """Returns the points of each axis of the grid and the zips."""
        lists = [[(value,) for value in values] for values in self.grid.values()]
        return lists + [list(zip(*table.values(), strict=True)) for table in self.zip]

    def fixed(self) -> dict[str, Any]:
        """Returns the values of the fields that are not varied, by their path."""
        return {
            f"{section}.{field}": value
            for section in FIELDS
            for field, value in getattr(self, section).items()
        }

    def key(self, path: str) -> str:
        """Returns the dotted key that sets a field: `grid.spec.depth` for `spec.depth`.

        A field that is not set, and a section, keep their path.
        """
        # The field of a table, such as measure.audit.starts, is set by the table.
        while "." in path:
            if keys := self._keys(path):
                return keys[0]
            path = path.rpartition(".")[0]
        return path

    def _keys(self, path: str) -> list[str]:
        section, _, name = path.partition(".")
        tables = {section: name in getattr(self, section, ()) if section in FIELDS else False}
        return [
            *([path] if tables[section] else []),
            *([f"grid.{path}"] if path in self.grid else []),
            *(f"zip.{i}.{path}" for i, table in enumerate(self.zip) if path in table),
            *([f"sample.{path}"] if self.sample and path in self.sample.ranges else []),
        ]


def _read(path: Path) -> str:
    try:
        text = read_text(path, largest=MAX_TEXT)
    except MnemoscopeError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MnemoscopeError(
            f"{path}, which cannot be read ({reason})",
            expected="a design as a TOML file in UTF-8",
            todo="check the path",
        ) from None
    if not text.strip():
        raise MnemoscopeError(
            f"{path}, which is empty",
            expected="a design as a TOML file",
            todo="give it a `name`, `source` under [data], and fields to vary under [grid]",
        )
    return text
