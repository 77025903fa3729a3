"""Where the starts of one distribution ended, blocks of them at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.census import survey
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.starts import block_size, bred
from mnemoscope.maps import SelfMap

OWN = ("held_out", "given")
"""Kinds of starts that are not drawn."""


@dataclass(frozen=True)
class Ended:
    """Where the starts of one distribution ended.

    Attributes:
        kind: The distribution's name.
        labels: `(starts,)`, indices of the atlas, -1 for none.
        status: `(starts,)`, codes of `Status`.
        applications: Of the map, in all of these orbits together.
        witness: For each attractor reached, the first start that ended there.
    """

    kind: str
    labels: Int[Tensor, " starts"]
    status: Int[Tensor, " starts"]
    applications: int
    witness: Mapping[int, Float[Tensor, "*shape"]]


def from_blocks(
    f: SelfMap,
    atlas: Atlas,
    kind: str,
    blocks: Iterable[Float[Tensor, "b *shape"]],
    **options: Unpack[OrbitOptions],
) -> tuple[Atlas, Ended]:
    """Starts that come in blocks: the atlas with what they found, and where they ended.

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
    return atlas, Ended(kind, torch.cat(labels), torch.cat(status), applications, witness)


def bred_blocks(
    parents: Float[Tensor, "m *shape"], count: int, *, seed: int
) -> Iterator[Float[Tensor, "b *shape"]]:
    """Starts bred from attractors, `block_size` at a time."""
    block = block_size(parents.shape[1:].numel())
    for done in range(0, count, block):
        yield bred(parents, min(block, count - done), seed=seed + done)


def reached_by(ended: Sequence[Ended]) -> Int[Tensor, " r"]:
    """The attractors that any of these starts ended at, each once."""
    if not ended:
        return torch.empty(0, dtype=torch.int64)
    labels = torch.cat([part.labels for part in ended])
    return labels[labels >= 0].unique()
