"""`extract`: what comes out of a map alone, with no data."""

import math
import time
from collections.abc import Callable, Sequence

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import LARGEST_SEED, whole_number
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.orbits import TOL
from mnemoscope.dynamics.starts import STARTS, Range, Starts
from mnemoscope.extraction.candidates import Evidence, distinct, evidence
from mnemoscope.extraction.estimates import estimates_table
from mnemoscope.extraction.extraction import Extraction
from mnemoscope.extraction.ranking import likelihood
from mnemoscope.extraction.search import BRED, GIVEN, Search, search, since_last_find
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.self_map import Stage, as_self_map

MAX_STEPS = 2000
"""Applications of `f` after which an orbit is given up. `log(1e6) / (1 - rho)` steps bring it from
a distance of 1 to within 1e-6 of its attractor: these do for spectral radii `rho` up to 0.993."""


def extract(
    f: Stage | SelfMap,
    *,
    shape: Sequence[int] | None = None,
    starts: int = 200,
    kinds: Sequence[str] = tuple(STARTS),
    extra: Float[Tensor, "g *shape"] | None = None,
    span: tuple[float, float] | None = None,
    max_starts: int = 100_000,
    max_seconds: float = math.inf,
    seed: int = 0,
    tol: float = TOL,
    max_steps: int = MAX_STEPS,
    batch_size: int | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Extraction:
    """Pulls training examples out of a map without any data.

    Orbits from many kinds of starts, and from starts bred from the attractors these find, end at
    attractors; each, or each state of a cycle, is a candidate. They are ranked by how likely each
    is a training example (`mnemoscope.extraction.ranking`); of candidates within 1e-2 of each other
    (RMS, as a share of the range) the best stays. The search goes on in rounds until, with 95%
    confidence, fewer than one start in a thousand would find a new attractor
    (`mnemoscope.extraction.search`).
    Memory: the attractors, a label for each start, and a few times `starts` (at most 4,096) states.

    Args:
        f: A self-map, or a network or callable to make one from.
        shape: The shape of a state, where the map does not tell.
        starts: Of each kind in a round, and as many bred ones as of all kinds together.
        kinds: Names in `mnemoscope.dynamics.STARTS`.
        extra: `(g, *shape)`, starts of your own, tried first.
        span: The least and the largest entry of the data; if left out, [0, 1] until attractors
            tell (`mnemoscope.extraction.data_range`). Noise is scaled by it, and candidates that
            leave it are ranked low.
        max_starts: Starts after which to stop anyway (at the end of a kind's).
        max_seconds: Likewise.
        seed: Of all draws: the same seed, machine and limits give the same candidates, unless
            `max_seconds` ends the search.
        tol: An orbit has converged when it is within this of its limit (RMS, in units, which are
            the range of the data as far as it is known).
        max_steps: Applications of `f` after which an orbit is given up.
        batch_size: States worked on at once; by default what is fast and fits into memory.
        on_progress: Called with the starts used and the attractors found, after each kind.

    Raises:
        MnemoscopeError: an option is out of range, or the extra starts are no states of the map.

    Example:
        >>> corners = extract(lambda z: torch.tanh(2 * z), shape=(3,), starts=50)
        >>> len(corners), corners.summary["stopped"]
        (8, 'nothing new')
    """
    begun = time.perf_counter()
    f = as_self_map(f, shape)
    _check_options(starts, max_starts, max_seconds, seed, max_steps, batch_size)
    kinds = list(dict.fromkeys(kinds))
    given = None if extra is None else _checked(f, extra)
    known_range = None if span is None else _range(span)
    for kind in kinds:
        Starts(kind, starts)
    if not kinds:
        raise MnemoscopeError(
            "no kinds of starts",
            expected=f"some of {', '.join(STARTS)}",
            todo="leave kinds out for all of them",
        )
    likely = Starts("uniform", 3, known_range or Range(), seed)
    states = next(likely.blocks(f.shape, dtype=f.dtype, device=f.device))
    check_values(f, states if given is None else given)
    with f.evaluating():
        found = search(
            f, kinds, starts=starts, given=given, span=known_range, max_starts=max_starts,
            max_seconds=max_seconds, seed=seed, on_progress=on_progress or (lambda *_: None),
            tol=tol, max_steps=max_steps, batch_size=batch_size,
        )  # fmt: skip
    known = evidence(found)
    score = likelihood(known, found.span, tol)
    order = score.argsort(descending=True, stable=True)
    order = order[distinct(known.states[order], found.span)]
    known, score = known.at(order), score[order]
    return Extraction(
        candidates=known.states,
        table=_table(known, score, found),
        estimates=estimates_table(found),
        history=_history(found),
        summary={
            **_summary(found),
            "candidates": len(known),
            "range": "learned" if span is None else "given",
            "seed": seed,
            "seconds": time.perf_counter() - begun,
        },
    )


def _table(known: Evidence, score: Tensor, found: Search) -> pl.DataFrame:
    kinds = list(dict.fromkeys(part.kind for part in found.parts))
    noise = torch.tensor([kind not in (BRED, GIVEN) for kind in kinds])
    count, total = known.starts[noise].sum(0), int(known.tried[noise].sum())
    low, high = wilson(count, total)
    return pl.DataFrame(
        {
            "rank": range(1, len(known) + 1),
            "score": score.tolist(),
            "kind": ["cycle" if p > 1 else "fixed_point" for p in known.period.tolist()],
            "attractor": known.attractor.tolist(),
            "period": known.period.tolist(),
            "spectral_radius": known.spectral_radius.tolist(),
            "starts": known.starts.sum(0).tolist(),
            "basin_fraction": (count.double() / max(1, total)).tolist(),
            "basin_low": low.tolist(),
            "basin_high": high.tolist(),
            "kinds_reached": (known.starts > 0).sum(0).tolist(),
            "kinds_tried": [len(kinds)] * len(known),
            "excess": known.excess.tolist(),
            "contrast": known.contrast.tolist(),
            "roughness": known.roughness.tolist(),
        },
        schema=TABLE,
    )


TABLE = {
    "rank": pl.Int64, "score": pl.Float64, "kind": pl.String, "attractor": pl.Int64,
    "period": pl.Int64, "spectral_radius": pl.Float64, "starts": pl.Int64,
    "basin_fraction": pl.Float64, "basin_low": pl.Float64, "basin_high": pl.Float64,
    "kinds_reached": pl.Int64, "kinds_tried": pl.Int64, "excess": pl.Float64,
    "contrast": pl.Float64, "roughness": pl.Float64,
}  # fmt: skip


def _history(found: Search) -> pl.DataFrame:
    used = torch.tensor([len(part.labels) for part in found.parts]).cumsum(0)
    return pl.DataFrame(
        {
            "round": [part.round for part in found.parts],
            "kind": [part.kind for part in found.parts],
            "starts": used.tolist(),
            "found": [part.found for part in found.parts],
            "seconds": [part.seconds for part in found.parts],
        }
    )


def _summary(found: Search) -> dict[str, object]:
    labels = found.labels()
    after = sum(len(part.labels) for part in since_last_find(found.parts))
    return {
        "attractors": len(found.atlas),
        "starts": len(labels),
        "stopped": found.stopped,
        "last_find": len(labels) - after,
        "unseen_below": float(wilson(0, after)[1]),
        "low": found.span.low,
        "high": found.span.high,
    }


def _checked(f: SelfMap, extra: Tensor) -> Tensor:
    states = f.batch(extra)
    if len(states) == 0 or not bool(torch.isfinite(states).all()):
        raise MnemoscopeError(
            f"extra starts of shape {tuple(extra.shape)}"
            + (" with NaN or infinity among them" if len(states) else ""),
            expected="at least one, all of finite numbers",
            todo="mend them, or leave them out",
        )
    return states


def _range(span: tuple[float, float]) -> Range:
    low, high = float(span[0]), float(span[1])
    if not -math.inf < low < high < math.inf:
        raise MnemoscopeError(
            f"a range from {low} to {high}",
            expected="two finite numbers, the lower first",
            todo="leave it out to learn it from the attractors",
        )
    return Range(low, high)


def _check_options(
    starts: int,
    max_starts: int,
    max_seconds: float,
    seed: int,
    max_steps: int,
    batch_size: int | None,
) -> None:
    for name, value in (("starts", starts), ("max_starts", max_starts), ("max_steps", max_steps)):
        whole_number(name, value, least=1)
    whole_number("seed", seed, least=0, most=LARGEST_SEED)
    if batch_size is not None:
        whole_number("batch_size", batch_size, least=1)
    if not max_seconds > 0:
        raise MnemoscopeError(
            f"max_seconds={max_seconds}",
            expected="a time above 0",
            todo="leave it out for as long as it takes",
        )
