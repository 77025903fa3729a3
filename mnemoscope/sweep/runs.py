"""The runs of a design, all checked before the first begins, and the groups they train in."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.text import short
from mnemoscope.sweep.code_version import code_version
from mnemoscope.sweep.configuration import FIELDS, Measure, Run
from mnemoscope.sweep.configured import configuration, in_section
from mnemoscope.sweep.design import Design
from mnemoscope.sweep.measurements import code_of
from mnemoscope.sweep.needed_memory import memory_of_group, weights_count
from mnemoscope.training.group import WORKING_SET
from mnemoscope.training.options import PER_REPLICA, TrainingOptions

MAX_RUNS = 4_000_000
"""Maximum number of runs of one design: a planned run takes one or two kilobytes of memory."""

SHARED = [one.name for one in fields(TrainingOptions) if one.name not in PER_REPLICA]
"""Training options that are the same for all runs of a group."""

FEWEST, MOST = 8, 512
"""Least and largest number of runs of a group, if `ROOM` holds them: one that is lost is run again
whole."""

ROOM = 4 * 2**30
"""Memory for the weights, gradients and Adam's state of a group (bytes): a network as large as this
is alone, so that a machine with memory for one can train all."""

GROUPS = 32
"""A sweep is cut into at least about this number of groups, so that many workers have work."""


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


@dataclass(frozen=True)
class Group:
    """Runs of one architecture, trained at once."""

    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """A hash of its runs' keys: equal groups have equal names."""
        keys = "".join(run.key for run in self.runs)
        return hashlib.sha256(keys.encode()).hexdigest()[:16]

    def rows(self, layout: str) -> str:
        """Returns the name of the file of its rows."""
        return f"rows/{layout}/{self.name}.parquet"

    @property
    def memory(self) -> int:
        """The least memory that training it needs (bytes)."""
        return memory_of_group([run.configuration for run in self.runs])

    def halves(self) -> tuple["Group", "Group"]:
        """Splits it into two groups of half its runs each."""
        half = len(self.runs) // 2
        return Group(self.runs[:half]), Group(self.runs[half:])


def groups(runs: Sequence[Run], most: int | None = None) -> list[Group]:
    """Puts runs that can train as replicas into groups, in the order of their first runs.

    Replicas share everything but their seeds, examples (of one number), rates, weight decays and
    scales of the first weights.
    """
    alike: dict[object, list[Run]] = {}
    for run in runs:
        alike.setdefault(_architecture(run), []).append(run)
    share = max(FEWEST, -(-len(runs) // GROUPS))
    cut = []
    for members in alike.values():
        size = min(_size(members[0]), share) if most is None else most
        count = -(-len(members) // size)
        # Their sizes are nearly equal: 65 runs are 33 and 32, not 64 and one.
        edges = [round(i * len(members) / count) for i in range(count + 1)]
        cut += [Group(tuple(members[a:b])) for a, b in itertools.pairwise(edges)]
    return cut


def _size(run: Run) -> int:
    one = 16 * max(1, weights_count(run.configuration.spec))
    return max(min(FEWEST, max(1, ROOM // one)), min(MOST, WORKING_SET // one))


def _architecture(run: Run) -> object:
    known = run.configuration
    shared = tuple(getattr(known.training, name) for name in SHARED)
    return known.spec, known.data.n, shared, known.measure
