"""What became of many starts: at an example, at a spurious attractor, at none."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mnemoscope.dynamics import Census, Starts, find_attractors
from mnemoscope.dynamics.starts import Range
from mnemoscope.dynamics.stored import MATCH_TOL, match_radii
from mnemoscope.unit import unit_of


@dataclass(frozen=True)
class Endings:
    """What became of some starts.

    Attributes:
        starts: How many there were.
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


ENDED = tuple(field.name for field in fields(Endings))
"""The columns that tell of endings."""


def endings(census: Census, rows: slice = slice(None)) -> Endings:
    """What became of the starts of a census that was given the examples, or of some of them.

    Args:
        census: Of `mn.find_attractors(f, Z, X)`.
        rows: Which of its starts.
    """
    labels = census.labels[rows]
    reached, counts = labels[labels >= 0].unique(return_counts=True)
    matching = (census.distance <= MATCH_TOL)[reached]
    examples = census.nearest_example[reached[matching]]
    return Endings(
        starts=len(labels),
        at_examples=int(counts[matching].sum()),
        spurious=int(counts[~matching].sum()),
        not_settled=int((labels < 0).sum()),
        examples_reached=len(examples.unique()),
        spurious_attractors=int((~matching).sum()),
        largest_basin=int(counts.max()) if len(counts) else 0,
    )


def at_own(
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


def from_noise(
    f: nn.Module, X: Float[Tensor, "n *shape"], kinds: Sequence[str], count: int, seed: int
) -> tuple[Endings, dict[str, Endings]]:
    """What became of starts of several distributions: of all of them, and of each.

    One census for all: an attractor is verified once, whichever distribution comes to it.

    Args:
        f: The network.
        X: `(n, *shape)`, its training examples, which also give the range of the starts.
        kinds: Names in `mnemoscope.dynamics.starts.STARTS`.
        count: Starts of each.
        seed: Of the draws.
    """
    shape = tuple(X.shape[1:])
    blocks = [
        block
        for kind in kinds
        for block in Starts(kind, count, Range.of(X), seed).blocks(
            shape, dtype=X.dtype, device=X.device
        )
    ]
    census = find_attractors(f, torch.cat(blocks), X)
    parts = {
        kind: endings(census, slice(i * count, (i + 1) * count)) for i, kind in enumerate(kinds)
    }
    return endings(census), parts
