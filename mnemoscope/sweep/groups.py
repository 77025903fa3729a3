"""Groups: runs that train together, the unit of work."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

from mnemoscope.sweep.needed_memory import memory_of_group, weights_count
from mnemoscope.sweep.runs import Run
from mnemoscope.training.group import WORKING_SET
from mnemoscope.training.options import PER_REPLICA, TrainingOptions

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


@dataclass(frozen=True)
class Group:
    """Runs of one architecture, trained at once."""

    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        """A hash of its runs' keys: equal groups have equal names."""
        keys = "".join(run.key for run in self.runs)
        return hashlib.sha256(keys.encode()).hexdigest()[:16]

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
