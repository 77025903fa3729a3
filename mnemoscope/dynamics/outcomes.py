"""Outcomes of orbits: which attractor each start reached, and how many reached what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mnemoscope.base.unit import unit_of
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import Census, find_attractors, survey
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.starts import Range, Starts, block_size, from_attractors
from mnemoscope.dynamics.stored import MATCH_TOL, match_radii
from mnemoscope.maps import SelfMap

OWN = ("held_out", "given")
"""Kinds of starts that are not drawn."""


@dataclass(frozen=True)
class Outcomes:
    """The attractor that each start of one distribution reached.

    Attributes:
        kind: The distribution's name.
        labels: `(starts,)`, indices of the atlas, -1 for none.
        status: `(starts,)`, codes of `Status`.
        applications: Number of applications of the map in all of these orbits.
        witness: For each attractor reached, the first start that ended there.
    """

    kind: str
    labels: Int[Tensor, " starts"]
    status: Int[Tensor, " starts"]
    applications: int
    witness: Mapping[int, Float[Tensor, "*shape"]]


def outcomes_of_blocks(
    f: SelfMap,
    atlas: Atlas,
    kind: str,
    blocks: Iterable[Float[Tensor, "b *shape"]],
    **options: Unpack[OrbitOptions],
) -> tuple[Atlas, Outcomes]:
    """Follows starts that come in blocks: the atlas with what they found, and where they ended.

    Entries of starts that are drawn are moved to the nearest bound of the map's domain, if it has
    bounds; a caller's own (`OWN`) are followed from where they are.
    """
    labels, status, applications = [], [], 0
    witness: dict[int, Tensor] = {}
    for drawn in blocks:
        block = drawn if kind in OWN else f.clipped(drawn)
        atlas, found, orbits = survey(f, block, atlas, **options)
        for label in set(found.tolist()) - set(witness) - {-1}:
            witness[label] = block[int((found == label).nonzero()[0, 0])].clone()
        labels.append(found)
        status.append(orbits.status)
        applications += int(orbits.steps.sum())
    return atlas, Outcomes(kind, torch.cat(labels), torch.cat(status), applications, witness)


def bred_blocks(
    parents: Float[Tensor, "m *shape"], count: int, *, seed: int
) -> Iterator[Float[Tensor, "b *shape"]]:
    """Makes starts from attractors, `block_size` at a time."""
    block = block_size(parents.shape[1:].numel())
    for done in range(0, count, block):
        yield from_attractors(parents, min(block, count - done), seed=seed + done)


def reached_by(outcomes: Sequence[Outcomes]) -> Int[Tensor, " r"]:
    """Collects the attractors that any of these starts ended at, each once."""
    if not outcomes:
        return torch.empty(0, dtype=torch.int64)
    labels = torch.cat([part.labels for part in outcomes])
    return labels[labels >= 0].unique()


@dataclass(frozen=True)
class OutcomeCounts:
    """Counts of starts by what they reached.

    Attributes:
        starts: All of them.
        at_examples: Those that ended at an attractor that matches a training example.
        spurious: Those that ended at one that matches none.
        not_settled: Those that ended at no attractor: they went on moving, diverged, left the map's
            domain, or came to a state that does not attract.
        examples_reached: The training examples that at least one start ended at.
        spurious_attractors: The spurious attractors that at least one ended at.
        largest_basin: The starts that ended at the attractor that got most of them.
    """

    starts: int
    at_examples: int
    spurious: int
    not_settled: int
    examples_reached: int
    spurious_attractors: int
    largest_basin: int


OUTCOME_COUNTS = tuple(field.name for field in fields(OutcomeCounts))
"""The fields of `OutcomeCounts`."""


def count_outcomes(census: Census, rows: slice = slice(None)) -> OutcomeCounts:
    """Counts what the starts of a census reached, which was given the examples.

    Args:
        census: Of `mn.find_attractors(f, Z, X)`.
        rows: Which of its starts.
    """
    labels = census.labels[rows]
    reached, counts = labels[labels >= 0].unique(return_counts=True)
    matching = (census.distance <= MATCH_TOL)[reached]
    examples = census.nearest_example[reached[matching]]
    return OutcomeCounts(
        starts=len(labels),
        at_examples=int(counts[matching].sum()),
        spurious=int(counts[~matching].sum()),
        not_settled=int((labels < 0).sum()),
        examples_reached=len(examples.unique()),
        spurious_attractors=int((~matching).sum()),
        largest_basin=int(counts.max()) if len(counts) else 0,
    )


def reached_own(
    census: Census,
    example: Int[Tensor, " n"],
    X: Float[Tensor, "e *shape"],
    rows: slice = slice(None),
) -> Bool[Tensor, " n"]:
    """Decides which starts ended at an attractor that matches a certain example, each its own.

    Args:
        census: Of `mn.find_attractors(f, Z, X)`.
        example: For each of these starts, the index of its example.
        X: `(e, *shape)`, the examples.
        rows: Which of the census's starts these are.
    """
    labels = census.labels[rows]
    if len(census.attractors) == 0:
        return torch.zeros_like(labels, dtype=torch.bool)
    radii = match_radii(X, unit=unit_of(X))
    matched = radii.owner(census.attractors, X.to(census.attractors))
    return (labels >= 0) & (matched[labels.clamp_min(0)] == radii.first[example])


def count_outcomes_from_noise(
    f: nn.Module,
    X: Float[Tensor, "n *shape"],
    kinds: Sequence[str],
    count: int,
    seed: int,
    **options: Unpack[OrbitOptions],
) -> tuple[OutcomeCounts, dict[str, OutcomeCounts]]:
    """Counts what starts of several distributions reached: all of them, and each.

    One census for all: an attractor is verified once, whichever distribution comes to it.

    Args:
        f: The network.
        X: `(n, *shape)`, its training examples, which also give the range of the starts.
        kinds: Names in `mnemoscope.dynamics.starts.STARTS`.
        count: Starts of each.
        seed: Random seed.
        **options: As in `iterate`.
    """
    shape = tuple(X.shape[1:])
    blocks = [
        block
        for kind in kinds
        for block in Starts(kind, count, Range.of(X), seed).blocks(
            shape, dtype=X.dtype, device=X.device
        )
    ]
    census = find_attractors(f, torch.cat(blocks), X, **options)
    parts = {
        kind: count_outcomes(census, slice(i * count, (i + 1) * count))
        for i, kind in enumerate(kinds)
    }
    return count_outcomes(census), parts
