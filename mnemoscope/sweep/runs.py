"""The runs of a design, all of them checked before the first begins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnemoscope.base.check import did_you_mean
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.configuration import FIELDS, Configuration
from mnemoscope.sweep.configured import configuration
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.measure import Measure
from mnemoscope.sweep.measurements import code_of

MOST_RUNS = 4_000_000
"""The most runs of one design: each takes one or two kilobytes of memory once it is planned."""


@dataclass(frozen=True)
class Run:
    """A run that is planned.

    Attributes:
        configuration: All that decides its numbers.
        factors: The values of the varied fields, by their path; not the seed.
        key: What its row is known by.
        first: Whether it has the first seed of its setting.
    """

    configuration: Configuration
    factors: Mapping[str, Any]
    key: str
    first: bool


def measure_of(design: Design) -> Measure:
    """What a design measures.

    Raises:
        MnemoscopeError: a field is wrong, with its place.
    """
    try:
        return Measure(**design.measure)
    except MnemoscopeError as error:
        raise _with_place(error, design, {}) from error


def code_of_design(design: Design) -> str:
    """The version of the code that decides the numbers of a design's runs.

    Raises:
        MnemoscopeError: a function that is to be measured cannot be had, with its place.
    """
    measure = measure_of(design)
    try:
        return code_version() + code_of(measure)
    except MnemoscopeError as error:
        raise _with_place(error, design, {}) from error


def planned_runs(design: Design, code: str) -> list[Run]:
    """Every run of a design: its settings in order, each with all seeds.

    Of runs with equal keys (an optimizer's own rate once left out and once written, say) only the
    first stands.

    Args:
        design: What is to be run.
        code: See `Configuration.key`.

    Raises:
        MnemoscopeError: a setting makes no run, with the places of the fields at fault; or there
            are too many runs.
    """
    if design.count > MOST_RUNS:
        raise MnemoscopeError(
            f"{design.place(*design.factors, 'seeds')}, {design.count} runs",
            expected=f"at most {MOST_RUNS}",
            todo="split the design",
        )
    fixed = design.fixed()
    runs: dict[str, Run] = {}
    for factors in design.settings():
        sections: dict[str, dict[str, Any]] = {section: {} for section in FIELDS}
        for path, value in (*fixed.items(), *factors.items()):
            section, _, field = path.partition(".")
            sections[section][field] = value
        for seed in design.seed_values:
            try:
                run = configuration(**sections, seed=seed)
            except MnemoscopeError as error:
                raise _with_place(error, design, factors) from error
            first = seed == design.seed_values[0]
            key = run.key(code, pictured=first and "pictures" in run.measure.take)
            if key not in runs:
                runs[key] = Run(run, factors, key, first)
    return list(runs.values())


def _with_place(
    error: MnemoscopeError, design: Design, factors: Mapping[str, Any]
) -> MnemoscopeError:
    """The same error, with the places and values of the fields at fault."""
    values = {**design.fixed(), **factors}
    told = _at_fault(error, values) or list(factors)
    given = " with ".join(f"{path}={short(values[path])}" for path in told)
    return MnemoscopeError(
        f"{design.place(*told)}{f', {given}' if told else ''}: {error.given}",
        expected=error.expected,
        todo=_todo(error, [values[path] for path in told]),
    )


def _at_fault(error: MnemoscopeError, values: Mapping[str, Any]) -> list[str]:
    """The paths of the fields that a message names, or whose text it names.

    "lr=0.1 with gauss_newton" is about `training.lr` and, where that is the optimizer,
    `training.optimizer`. Where the message names nothing, its advice may.
    """
    # What a field is set to in the message is no other field's text.
    rest = _words(re.sub(r"\w+=('[^']*'|\S+)", "", error.given))
    found = [
        path
        for path, value in values.items()
        if _names(error.given, path) or any(_words(text) in rest for text in _texts(value))
    ]
    return found or [path for path in values if _names(error.todo, path)]


def _names(text: str, path: str) -> bool:
    """Whether a text names a field: by its path, or as in `depth=3`, or between backquotes."""
    field = path.partition(".")[2]
    named = rf"(?<!\w){field}=|`{field}`|(?<![\w.]){re.escape(path)}(?!\w)"
    return re.search(named, text) is not None


def _words(text: str) -> str:
    """In lower case without underscores, so that `FullyConnected` is `fully_connected`."""
    words = re.findall(r"[^\s,;()'\"`:]+", text.lower().replace("_", ""))
    return f" {' '.join(words)} "


def _texts(value: Any) -> list[str]:
    return [
        text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)
    ]


def _todo(error: MnemoscopeError, values: list[Any]) -> str:
    """The advice; where a text is none of a list, with the nearest one of the list."""
    listed = error.expected.removeprefix("one of ").split(", ")
    if listed[0] == error.expected or "did you mean" in error.todo:
        return error.todo
    wrong = [text for value in values for text in _texts(value) if text not in listed]
    return did_you_mean(wrong[0], listed, otherwise=error.todo) if wrong else error.todo
