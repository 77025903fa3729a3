"""The search: rounds of starts of every kind, until none of many has found anything new.

No data are needed. A round has as many starts of each kind of noise, and as many again that are
bred from the attractors found so far. The range that the noise is scaled by, if it is not told, is
[0, 1] in the first round, then what the attractors found say of it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.good_turing import good_turing
from mnemoscope.dynamics.orbits import OrbitOptions
from mnemoscope.dynamics.outcomes import bred_blocks, outcomes_of_blocks
from mnemoscope.dynamics.starts import BLOCK, Range, Starts
from mnemoscope.extraction.data_range import likely_range
from mnemoscope.maps import SelfMap

RESCALED = 4.0
"""The search begins again, once, when the range that the attractors suggest is this many times
wider or narrower than the one that gave the unit: its tolerances were then of another scale."""

NOTHING_NEW = "nothing new"
"""Why a search that was not cut short has stopped."""

BRED, GIVEN = "bred", "given"
"""Kinds of starts that are no noise: bred from attractors found, handed over by the caller."""

UNSEEN = 1e-3
"""The search is over when, with 95% confidence, fewer than this share of starts like those of the
last rounds would find an attractor that is not known. One in a thousand: what is then missed has
basins so small that ten times as many starts would hardly find more than a few."""


@dataclass(frozen=True)
class Part:
    """Starts of one kind in one round.

    Attributes:
        round: From 0.
        kind: A name in `STARTS`, `bred` or `given`.
        labels: `(starts,)`, the attractor in the atlas where each ended; -1 for none.
        found: How many attractors were known after it.
        seconds: Since the search began.
    """

    round: int
    kind: str
    labels: Int[Tensor, " starts"]
    found: int
    seconds: float


@dataclass(frozen=True)
class Search:
    """Where all starts ended.

    Attributes:
        atlas: The attractors found.
        parts: In the order in which they were tried.
        stopped: Why no more were: `nothing new`, `most starts`, `most seconds`.
        span: The data's range, as it was given or as all attractors tell it.
    """

    atlas: Atlas
    parts: tuple[Part, ...]
    stopped: str
    span: Range

    def labels(self, *kinds: str) -> Int[Tensor, " starts"]:
        """Where the starts of some kinds ended, or of all kinds if none is named."""
        chosen = [part.labels for part in self.parts if not kinds or part.kind in kinds]
        return torch.cat([torch.empty(0, dtype=torch.int64), *chosen])


def search(
    f: SelfMap,
    kinds: Sequence[str],
    *,
    starts: int,
    given: Float[Tensor, "g *shape"] | None,
    span: Range | None,
    max_starts: int,
    max_seconds: float,
    seed: int,
    on_progress: Callable[[int, int], object],
    **options: Unpack[OrbitOptions],
) -> Search:
    """Looks for attractors until nothing new is found, or starts or time are used up.

    It is over when no start since the last find found a new one, these are so many that Wilson's
    95% interval for none of them ends below `UNSEEN` (3,838), a whole round is among them, and
    Good and Turing's share of all starts is not above it either. The first is a test of a binomial
    rate: to the attractors known by then each of these starts was an independent trial.

    Args:
        f: The map; without a unit of its own its unit is the width of the range.
        kinds: Names in `STARTS`.
        starts: Of each kind in a round; bred ones as many as all of these together.
        given: `(g, *shape)`, further starts, tried first.
        span: The range of the data; `None` to begin with [0, 1] and learn it from what is found.
        max_starts: Starts after which no further kind is begun.
        max_seconds: Likewise.
        seed: Of all draws.
        on_progress: Called with starts used and attractors found.
        **options: How orbits are followed.
    """
    begun = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    drawn_in, atlas = span or Range(), Atlas.empty(f)
    own_unit, again = f.known_unit is not None, True
    f = f if own_unit else f.with_unit(drawn_in.width)
    parts: list[Part] = []
    used, turn, stopped = 0, 0, ""

    def blocks(kind: str) -> Iterator[Tensor]:
        own = int(torch.randint(2**62, (), generator=generator))
        if kind == GIVEN and given is not None:
            return iter(given.split(BLOCK))
        if kind == BRED:
            return bred_blocks(atlas.states, starts * len(kinds), seed=own)
        noise = Starts(kind, starts, drawn_in, own)
        return noise.blocks(f.shape, dtype=f.dtype, device=f.device)

    while not stopped:
        first = [GIVEN] if given is not None and turn == 0 else []
        for kind in [*first, *kinds, BRED]:
            if kind == BRED and len(atlas.states) < 2:
                continue
            atlas, ended = outcomes_of_blocks(f, atlas, kind, blocks(kind), **options)
            seconds = time.perf_counter() - begun
            parts.append(Part(turn, kind, ended.labels.cpu(), len(atlas), seconds))
            used += len(ended.labels)
            on_progress(used, len(atlas))
            if used >= max_starts or seconds >= max_seconds:
                stopped = "most starts" if used >= max_starts else "most seconds"
                break
        if _nothing_new(parts):
            stopped = NOTHING_NEW
        turn += 1
        drawn_in = span or likely_range(atlas)
        ratio = drawn_in.width / f.unit
        rescaled = not own_unit and not 1 / RESCALED <= ratio <= RESCALED
        if again and rescaled and stopped in ("", NOTHING_NEW):
            f, again = f.with_unit(drawn_in.width), False
            atlas, parts, turn, stopped = Atlas.empty(f), [], 0, ""
    return Search(atlas, tuple(parts), stopped, drawn_in)


def since_last_find(parts: Sequence[Part]) -> Sequence[Part]:
    """The starts after those that found the last attractor; all if none was ever found."""
    known = parts[-1].found
    at_last = [part for part in parts if part.found == known]
    return at_last[1:] if known else at_last


def _nothing_new(parts: Sequence[Part]) -> bool:
    dry = since_last_find(parts)
    whole_round = {p.kind for p in dry} >= {p.kind for p in parts if p.round == parts[-1].round}
    below = float(wilson(0, sum(len(part.labels) for part in dry))[1])
    labels = torch.cat([part.labels for part in parts])
    share = good_turing(labels) if parts[-1].found else 0.0
    return whole_round and below <= UNSEEN and share <= UNSEEN
