"""The search: rounds of starts of every kind, until none of many has found anything new.

No data are needed. A round has as many starts of each kind of noise, and as many again that are
made from the attractors found so far. Unless it is given, the range that the noise is scaled by is
[0, 1] in the first round, then what the attractors found suggest.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mnemoscope.base.check import invalid, one_of, real_number, whole_number
from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.atlas import Atlas
from mnemoscope.dynamics.orbits import TOL
from mnemoscope.dynamics.outcomes import bred_blocks, outcomes_of_blocks
from mnemoscope.dynamics.starts import BLOCK, STARTS, Range, Starts
from mnemoscope.dynamics.unseen import good_turing
from mnemoscope.maps import SelfMap

MAX_STEPS = 2000
"""Applications of `f` after which an orbit is given up. `log(1e6) / (1 - rho)` steps bring it from
a distance of 1 to within 1e-6 of its attractor: these do for spectral radii `rho` up to 0.993."""

RESCALED = 4.0
"""The search begins again, once, when the range that the attractors suggest is this many times
wider or narrower than the one that gave the unit: its tolerances were then of another scale."""

NOTHING_NEW = "nothing new"
"""The reason to stop of a search that was not cut short."""

BRED, GIVEN = "bred", "given"
"""Kinds of starts that are no noise: made from attractors found, passed by the caller."""

UNSEEN = 1e-3
"""The search is over when, with 95% confidence, fewer than this share of starts like those of the
last rounds would find an attractor that is not known. One in a thousand: what is then missed has
basins so small that ten times as many starts would hardly find more than a few."""


USUAL = (Range(0.0, 1.0), Range(-1.0, 1.0), Range(0.0, 255.0))
"""Ranges that data usually have; the first is the default unless attractors contradict it."""

SLACK = 0.25
"""Attractors may leave a usual range by this share of its width: spurious ones overshoot a little,
and the lower ends of the first two differ by twice as much of the wider one."""

FILLED = 0.5
"""The share of a usual range, other than the first, that attractors must span: small numbers fit
into every large range."""

FILLED_FIRST = 0.05
"""The share of the first: attractors of less contrast than this are data of another scale."""


@dataclass(frozen=True)
class SearchOptions:
    """Options of an extraction that are seldom changed.

    Attributes:
        kinds: Names in `mnemoscope.dynamics.STARTS`.
        max_seconds: Time after which the search stops (at the end of a kind's starts).
        tol: Distance from its limit (RMS, in units, which are the range of the data as far as it is
            known) at which an orbit has converged.
        max_steps: Applications of `f` after which an orbit is given up.
        batch_size: States worked on at once (default: what is fast and fits into memory).
        on_progress: Called with the starts used and the attractors found, after each kind.

    Raises:
        MnemoscopeError: one is out of range.
    """

    kinds: Sequence[str] = tuple(STARTS)
    max_seconds: float = math.inf
    tol: float = TOL
    max_steps: int = MAX_STEPS
    batch_size: int | None = None
    on_progress: Callable[[int, int], object] = lambda used, found: None

    def __post_init__(self) -> None:
        for kind in self.kinds:
            one_of("kinds", kind, STARTS)
        if not self.kinds:
            raise invalid("kinds", self.kinds, f"some of {', '.join(STARTS)}")
        if not self.max_seconds > 0:
            raise invalid("max_seconds", self.max_seconds, "a time above 0")
        real_number("tol", self.tol, above=0)
        whole_number("max_steps", self.max_steps, least=1)
        if self.batch_size is not None:
            whole_number("batch_size", self.batch_size, least=1)


DEFAULT_OPTIONS = SearchOptions()


@dataclass(frozen=True)
class Part:
    """Starts of one kind in one round.

    Attributes:
        round: From 0.
        kind: A name in `STARTS`, `bred` or `given`.
        labels: `(starts,)`, the attractor of each in the atlas; -1 for none.
        found: Number of attractors known after it.
        seconds: Time since the search began.
    """

    round: int
    kind: str
    labels: Int[Tensor, " starts"]
    found: int
    seconds: float


@dataclass(frozen=True)
class Search:
    """Outcomes of all starts.

    Attributes:
        atlas: The attractors found.
        parts: In the order in which they were tried.
        stopped: The reason to stop: `nothing new`, `most starts`, `most seconds`.
        span: The data's range, as given or as all attractors suggest it.
    """

    atlas: Atlas
    parts: tuple[Part, ...]
    stopped: str
    span: Range

    @property
    def kinds(self) -> list[str]:
        """The kinds of starts, in the order in which they were first tried."""
        return list(dict.fromkeys(part.kind for part in self.parts))

    def labels(self, kinds: Sequence[str]) -> Int[Tensor, " starts"]:
        """Returns the attractors of the starts of some kinds."""
        chosen = [part.labels for part in self.parts if part.kind in kinds]
        return torch.cat([torch.empty(0, dtype=torch.int64), *chosen])


def search(
    f: SelfMap,
    options: SearchOptions,
    *,
    starts: int,
    max_starts: int,
    given: Float[Tensor, "g *shape"] | None,
    span: Range | None,
    seed: int,
) -> Search:
    """Searches for attractors until nothing new is found, or starts or time are used up.

    It is over when no start since the last find found a new one, there are enough of these that
    Wilson's 95% interval for none of them ends below `UNSEEN` (3,838), a whole round is among them,
    and Good and Turing's share of all starts is not above it either. The first is a test of a
    binomial rate: to the attractors known by then each of these starts was an independent trial.
    A map without a unit of its own gets the width of the range.
    """
    begun = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    drawn_in, atlas = span or Range(), Atlas.empty(f)
    own_unit, again = f.known_unit is not None, True
    f = f if own_unit else f.with_unit(drawn_in.width)
    kinds, parts = list(dict.fromkeys(options.kinds)), list[Part]()
    limits = {name: getattr(options, name) for name in ("tol", "max_steps", "batch_size")}
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
            atlas, ended = outcomes_of_blocks(f, atlas, kind, blocks(kind), **limits)
            seconds = time.perf_counter() - begun
            parts.append(Part(turn, kind, ended.labels.cpu(), len(atlas), seconds))
            used += len(ended.labels)
            options.on_progress(used, len(atlas))
            if used >= max_starts or seconds >= options.max_seconds:
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
    """Returns the starts after those that found the last attractor; all if none was ever found."""
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


def likely_range(atlas: Atlas) -> Range:
    """Returns the first usual range that fits the attractors; else what they span themselves.

    They span from the median of the least entry of each to that of the largest, over the more
    stable half of them, since spurious attractors are less stable and leave the range.
    """
    if len(atlas) == 0:
        return USUAL[0]
    flat = atlas.states.flatten(1)
    steady = (atlas.spectral_radius ** (1 / atlas.period)).argsort(stable=True)
    steady = steady[: (len(atlas) + 1) // 2]
    # Of an even number `median` is the lower of two: both ends are to be the inner one.
    low = -float((-_each(flat.amin(1), atlas, "amin")[steady]).median())
    high = float(_each(flat.amax(1), atlas, "amax")[steady].median())
    for usual in USUAL:
        slack = SLACK * usual.width
        holds = usual.low - slack <= low and high <= usual.high + slack
        filled = FILLED_FIRST if usual is USUAL[0] else FILLED
        if holds and high - low >= filled * usual.width:
            return usual
    return Range(low, high)


def _each(values: Tensor, atlas: Atlas, reduce: str) -> Tensor:
    """Returns the least or largest of a number over the states of each attractor."""
    empty = torch.zeros(len(atlas), dtype=values.dtype, device=values.device)
    return empty.scatter_reduce(0, atlas.owner, values, reduce, include_self=False)
