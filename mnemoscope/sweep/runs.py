"""The runs of a design, all of them checked before the first begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.configuration import FIELDS, Configuration, Measure
from mnemoscope.sweep.configured import configuration, in_section
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.measurements import code_of

MAX_RUNS = 4_000_000
"""Maximum number of runs of one design: a planned run takes one or two kilobytes of memory."""


@dataclass(frozen=True)
class Run:
    """A planned run.

    Attributes:
        configuration: All that decides its numbers.
        factors: The values of the varied fields, by their path; the seed is not among them.
        key: The hash that names its row.
        first: Whether it has the first seed of its setting.
    """

    configuration: Configuration
    factors: Mapping[str, Any]
    key: str
    first: bool


def measure_of(design: Design) -> Measure:
    """Returns what a design measures."""
    with in_section("measure"):
        return Measure(**design.measure)


def code_of_design(design: Design) -> str:
    """Returns the version of the code that decides the numbers of a design's runs."""
    measure = measure_of(design)
    with in_section("measure"):
        return code_version() + code_of(measure)


def planned_runs(design: Design, code: str) -> list[Run]:
    """Returns every run of a design: its settings in order, each with all seeds.

    Of runs with equal keys (say, an optimizer's own rate once by default and once spelled out) only
    the first is kept.
    """
    if design.count > MAX_RUNS:
        raise MnemoscopeError(
            f"{design.count} runs", expected=f"at most {MAX_RUNS}", todo="split the design"
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
                raise _placed(error, design, factors) from error
            first = seed == design.seed_values[0]
            key = run.key(code, pictured=first and "pictures" in run.measure.take)
            if key not in runs:
                runs[key] = Run(run, factors, key, first)
    return list(runs.values())


def _placed(error: MnemoscopeError, design: Design, factors: Mapping[str, Any]) -> MnemoscopeError:
    """Returns the error with the key of the design that is at fault, and what varies there."""
    path = error.field or ""
    section = path.partition(".")[0]
    varied = {name: value for name, value in factors.items() if name.startswith(section)}
    setting = " with ".join(f"{name}={short(value)}" for name, value in varied.items())
    key = design.key(path)
    place = " ".join(filter(None, (key, f"({setting})" if setting else "")))
    return error.replaced(given=f"{place or design.name}: {error.given}", field=key or None)
