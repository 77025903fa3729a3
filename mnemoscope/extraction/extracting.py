"""`extract`: candidates for training examples from a map alone, with no data."""

import math
import time
from collections.abc import Sequence

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from mnemoscope.base.check import invalid, whole_number
from mnemoscope.base.check import seed as check_seed
from mnemoscope.base.errors import MnemoscopeError
from mnemoscope.base.stats import wilson
from mnemoscope.dynamics.starts import Range, Starts
from mnemoscope.dynamics.unseen import chao_total, good_turing
from mnemoscope.extraction.candidates import ranked
from mnemoscope.extraction.extraction import Extraction
from mnemoscope.extraction.search import (
    BRED,
    DEFAULT_OPTIONS,
    GIVEN,
    Search,
    SearchOptions,
    search,
    since_last_find,
)
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.self_map import Stage, as_self_map

NOISE, ALL = "noise", "all"
"""Pools: the kinds of noise together, and all starts."""


def extract(
    f: Stage | SelfMap,
    *,
    shape: Sequence[int] | None = None,
    starts: int = 200,
    max_starts: int = 100_000,
    span: tuple[float, float] | None = None,
    extra: Float[Tensor, "g *shape"] | None = None,
    seed: int = 0,
    options: SearchOptions = DEFAULT_OPTIONS,
) -> Extraction:
    """Extracts candidates for training examples from a map, without any data.

    Orbits from many kinds of starts, and from starts made from the attractors these find, end at
    attractors; each, or each state of a cycle, is a candidate. They are ranked by how likely each
    is a training example (`mnemoscope.extraction.candidates`); of candidates within 1e-2 of each
    other (RMS, as a share of the range) the best stays. The search goes on in rounds until, with
    95% confidence, fewer than one start in a thousand would find a new attractor
    (`mnemoscope.extraction.search`).
    Memory: the attractors, a label for each start, and a few times `starts` (at most 4,096) states.

    Args:
        f: A self-map, or a network or callable to make one from.
        shape: The shape of a state; required where the map does not define it.
        starts: Starts of each kind in a round, and as many made from attractors as of all kinds.
        max_starts: Number of starts after which the search stops (at the end of a kind's).
        span: The least and the largest entry of the data (default: [0, 1] until attractors show it,
            `mnemoscope.extraction.search`). Noise is scaled by it, and candidates that leave it
            are ranked low.
        extra: `(g, *shape)`, further starts, tried first.
        seed: Random seed: the same seed, machine and limits give the same candidates, unless
            `max_seconds` ends the search.
        options: Kinds of starts, time limit, tolerances and progress.

    Raises:
        MnemoscopeError: an option is out of range, or the extra starts are no states of the map.

    Example:
        >>> corners = extract(lambda z: torch.tanh(2 * z), shape=(3,), starts=50)
        >>> len(corners), corners.summary["stopped"]
        (8, 'nothing new')
    """
    begun = time.perf_counter()
    f = as_self_map(f, shape)
    given = None if extra is None else _checked(f, extra)
    known_range = None if span is None else _range(span)
    whole_number("starts", starts, least=1)
    whole_number("max_starts", max_starts, least=1)
    likely = Starts("uniform", 3, known_range or Range(), check_seed(seed))
    states = next(likely.blocks(f.shape, dtype=f.dtype, device=f.device))
    check_values(f, states if given is None else given)
    with f.evaluating():
        limits = {"starts": starts, "max_starts": max_starts, "seed": seed}
        found = search(f, options, given=given, span=known_range, **limits)
    states, table = ranked(found, options.tol)
    summary = {
        **_summary(found),
        "range": "learned" if span is None else "given",
        "seed": seed,
        "candidates": len(states),
        "seconds": time.perf_counter() - begun,
    }
    return Extraction(states, table, estimates_table(found), history_table(found), summary)


def _summary(found: Search) -> dict[str, object]:
    labels = found.labels(found.kinds)
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


def estimates_table(found: Search) -> pl.DataFrame:
    """Returns a row for each kind of starts, for all noise together, and for all starts."""
    noise = [kind for kind in found.kinds if kind not in (BRED, GIVEN)]
    pools = {**{kind: [kind] for kind in found.kinds}, NOISE: noise, ALL: found.kinds}
    rows = []
    for pool, members in pools.items():
        labels = found.labels(members)
        counts = labels[labels >= 0].unique(return_counts=True)[1]
        total, low, high = chao_total(counts)
        rows.append(
            {
                "pool": pool,
                "starts": len(labels),
                "ended": int(counts.sum()),
                "found": len(counts),
                "once": int((counts == 1).sum()),
                "twice": int((counts == 2).sum()),
                "unseen": good_turing(labels),
                "total": total,
                "low": low,
                "high": high,
            }
        )
    return pl.DataFrame(rows)


def history_table(found: Search) -> pl.DataFrame:
    """Returns a row for each kind of each round."""
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


def _checked(f: SelfMap, extra: Tensor) -> Tensor:
    states = f.batch(extra)
    if len(states) == 0 or not bool(torch.isfinite(states).all()):
        raise MnemoscopeError(
            f"extra starts of shape {tuple(extra.shape)}"
            + (" with NaN or infinity among them" if len(states) else ""),
            expected="at least one, all of finite numbers",
            todo="correct them, or omit them",
            field="extra",
        )
    return states


def _range(span: tuple[float, float]) -> Range:
    low, high = float(span[0]), float(span[1])
    if not -math.inf < low < high < math.inf:
        raise invalid("span", (low, high), "two finite numbers, the lower first")
    return Range(low, high)
