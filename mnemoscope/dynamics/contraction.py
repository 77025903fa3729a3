"""The rate of contraction from values of a map alone: the growth of differences between orbits.

An orbit that starts at `c + h u` is `J u h` away from one that starts at `c` after a step, for
small `h`. Brought back to distance `h` and stepped again, the difference turns into the
leading eigenvector and its length changes by the leading eigenvalue's modulus in each step
(Benettin, Galgani, Giorgilli, Strelcyn, Meccanica 15, 1980, for Lyapunov exponents; here the base
point is held still, which makes it the power method with `J u ~ (f(c + h u) - f(c - h u)) / 2 h`).

At a fixed point `c` this is the ratio of successive differences of the orbits that end there.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from scipy import special
from torch import Tensor

from mnemoscope.data.given import given_examples
from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.differences import off_the_edge
from mnemoscope.maps.resolution import NEARBY, ROUNDINGS
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_starts

PROBES = 8
"""Differences that are followed at each state, half of them `LONGER` times as long: their spread
shows how much the rate depends on the start of a difference, and on chance."""

LONGER = 4
"""Ratio of the two lengths, which show how much the rate depends on the length."""

SETTLING = 48
"""Steps in which a difference turns into the slowest direction."""

FEWER = (16, 16)
"""The same two where quotients are averaged: errors of these are larger than of the directions."""

SHORTER = 0.5
"""The same ratio where values come in steps: the length is the best there is already, and a longer
one may leave the data."""

DITHER = 1 / 3
"""Share of a difference's length by which the base point is moved at random in each step where
values come in steps, so that what rounding adds averages out. Smoothing by this much of a visible
length leaves less than a hundredth of the steps."""

SURE = 0.1
"""Quotients over several moved base points are averaged until growth above this is resolved, or
there are `AVERAGED` of them, or as many as have `ENTRIES` entries together."""

AVERAGED = 8
"""Maximum number of quotients averaged."""

ENTRIES = 4096
"""Maximum number of entries of the states of one average: many entries are an average."""

RESOLVED = 3
"""Growth below this many errors of a difference quotient is not resolved: such a difference turns
at random."""

MEASURED = 32
"""Steps over which its growth is taken: of a complex pair of eigenvalues the length also
oscillates."""


LEFT = "differences around the state leave the map's domain"
"""Reason of a missing rate where the map raises on all sides."""

ROOM = 4
"""Distance, in lengths of a difference, that base points keep from an edge beyond which the map
raises: directions turn, and then go further in some entries."""


@dataclass(frozen=True)
class Contraction:
    """The modulus of the leading eigenvalue at each state.

    Attributes:
        rate: `(n,)`, growth of a small difference in one step; NaN where it cannot be resolved.
        low: `(n,)`, lower end of its 95% interval; 0 where the rate is no more than rounding.
        high: `(n,)`, upper end.
        reason: The reason of NaN rates; empty where there are none.
    """

    rate: Float[Tensor, " n"]
    low: Float[Tensor, " n"]
    high: Float[Tensor, " n"]
    reason: str = ""


def contraction(f: Stage | SelfMap, Z: Float[Tensor, "n *shape"], *, seed: int = 0) -> Contraction:
    """Measures the growth of small differences at each state, with its interval, by values alone.

    For each of `PROBES` random directions `u_0`, with `u_(k+1)` the direction of
    `g_k = (f(c + h u_k) - f(c - h u_k)) / 2 h`, the estimate is the mean of `log |g_k|` over
    `MEASURED` steps after `SETTLING`. The interval is Student's over the probes, widened by what
    they may all share: how much the mean changes from the first half of these steps to the second
    (directions that have not turned yet), and from the shorter differences to the longer ones
    (kinks and curvature). The length `h` is `eps^(2/3)` times the state's RMS or the unit,
    whichever is larger (for half of the probes `LONGER` times that): so short that few units change
    sides.
    Rounding then turns a direction by about `eps^(1/3)` a step and adds the square of that to its
    length, which hides rates of no more than a few times `eps^(1/3)` and disturbs no others. Where
    an activation has kinks nearer than `h`, there is no one Jacobian over that length: the growth
    is then one of the map, not that of its derivative, and the interval may miss the latter.

    For a map whose values come in steps (`f.resolution`) it is the growth over visible lengths: `h`
    is the length over which a quotient is most accurate, and half of the probes are `SHORTER`. What
    rounding adds to the square of a length is subtracted by half, and the interval reaches to none
    and all of it, since it does not add up where one direction grows much more than all others. A
    state around which the map is constant (`NEARBY`) has rate 0.

    Near the edge of the map's domain the base point is moved inwards, so that both ends of each
    difference lie in it (`mnemoscope.maps.differences`).

    Takes `2 PROBES (SETTLING + MEASURED)` evaluations of each state; with steps up to `AVERAGED`
    times as many, the larger the steps, and `2 PROBES + 1` more.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the states.
        seed: Random seed of the first directions.

    Example:
        >>> found = contraction(lambda z: 0.25 * z, torch.zeros(1, 3))
        >>> round(float(found.rate[0]), 5)
        0.25
    """
    Z = given_examples(Z)
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    f = in_unit_of_starts(f, Z)
    f.refuse_outside(Z)
    check_values(f, Z)
    if not f.resolution.smooth:
        return _over_visible_lengths(f, Z, seed)
    eps = torch.finfo(f.dtype).eps
    lengths = eps ** (2 / 3) * rms(Z).clamp_min(f.unit)
    halves, long = _follow(f, Z, lengths, LONGER, seed=seed)
    found = _interval(halves, long, rounding=4 * eps ** (1 / 3))
    lost = f.bounded and bool(torch.isnan(found.rate).any())
    return replace(found, reason=LEFT) if lost else found


def _over_visible_lengths(f: SelfMap, Z: Tensor, seed: int) -> Contraction:
    """Returns the growth of a map whose values come in steps."""
    steps = f.resolution
    lengths = Z.new_full((len(Z),), steps.length)
    wanted = math.ceil((RESOLVED * steps.quotient_error / SHORTER / SURE) ** 2)
    count = max(1, min(wanted, AVERAGED, ENTRIES // f.size))
    each = steps.quotient_error / count**0.5
    halves, shorter = _follow(
        f, Z, lengths, SHORTER, error=each, dither=DITHER * steps.length, count=count, seed=seed
    )
    # Of the shorter differences.
    error = each / SHORTER
    found = _interval(halves, shorter, rounding=RESOLVED * error)
    growth = halves.mean((0, 1)).exp()
    # Between nothing and all of what rounding adds to the square of a length; half is subtracted.
    wide = (1 + (error / growth).square() / 2).sqrt()
    low, high = found.low / wide, found.high * wide
    flat = _flat(f, Z, seed)
    lost = ~flat & (found.rate <= RESOLVED * error)
    rate = torch.where(lost, torch.nan, torch.where(flat, 0, found.rate))
    rounding = 4 * torch.finfo(f.dtype).eps ** (1 / 3)
    return Contraction(
        rate=rate,
        low=torch.where(flat | lost, 0, low),
        # Growth beyond what is resolved would have been.
        high=torch.where(flat, rounding, torch.where(lost, RESOLVED * error, high)),
        reason=f"growth below {RESOLVED * error:.2g} in a step is not resolved, since values come "
        f"in steps of {steps.entry:.2g}"
        if bool(lost.any())
        else "",
    )


def _follow(
    f: SelfMap,
    Z: Tensor,
    lengths: Tensor,
    other: float,
    *,
    error: float = 0.0,
    dither: float = 0.0,
    count: int = 1,
    seed: int,
) -> tuple[Float[Tensor, "2 p n"], Bool[Tensor, " p"]]:
    """Averages the logarithms of growth over both halves of the steps; marks other lengths.

    Half of the differences are `other` times as long. `error` is the RMS error of a difference
    quotient over `lengths`; half of its square is subtracted. Quotients are averaged over `count`
    base points, moved by an RMS distance of `dither`.
    """
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(PROBES, *f.shape, generator=generator, dtype=torch.float64)
    u = u.to(Z)[:, None].expand(-1, *Z.shape).flatten(0, 1)
    others = torch.arange(PROBES) % 2 == 1
    times = torch.where(others, other, 1).to(Z)
    h = (times[:, None] * lengths).flatten().reshape(-1, *[1] * len(f.shape))
    added = (error / times[:, None]).square().expand(-1, len(Z)).reshape(h.shape) / 2
    base = Z.expand(PROBES, *Z.shape).flatten(0, 1)
    u = u / _size(u)
    base = off_the_edge(f, base, ROOM * (h * u).abs()) if f.findings.refused else base
    halves, refused = Z.new_zeros(2, PROBES * len(Z)), f.findings.refused
    tiny = torch.finfo(f.dtype).tiny
    settling, measured = (SETTLING, MEASURED) if count == 1 else FEWER
    with f.evaluating():
        for step in range(settling + measured):
            grown = torch.zeros_like(base)
            for _ in range(count):
                at = base
                if dither:
                    moved = torch.randn(base.shape, generator=generator, dtype=torch.float32)
                    at = base + dither * moved.to(base)
                at = f.clipped(at, (h * u).abs())
                grown += (f(at + h * u) - f(at - h * u)) / (2 * h * count)
            size = _size(grown)
            if step >= settling:
                square = size.square()
                # What did not change at all grew by less than can be seen.
                least = torch.maximum(square / 2, added / 50)
                own = torch.maximum(square - added, least).sqrt() if error else size
                halves[2 * (step - settling) // measured] += own.flatten().log()
            # A difference that vanished, or overflowed, keeps its direction.
            usable = (size > 0) & torch.isfinite(size)
            u = torch.where(usable, grown / size.clamp_min(tiny), u)
    if f.findings.refused != refused:
        # Only now it is known that there is an edge to keep off.
        return _follow(f, Z, lengths, other, error=error, dither=dither, count=count, seed=seed)
    return (halves / (measured / 2)).reshape(2, PROBES, -1), others.to(Z.device)


def _flat(f: SelfMap, Z: Tensor, seed: int) -> Bool[Tensor, " n"]:
    """Decides whether the map is constant around each state, at the lengths that are measured."""
    generator = torch.Generator().manual_seed(seed)
    images = f(Z)
    level = images.flatten(1).abs().amax(1)
    rounding = ROUNDINGS * torch.finfo(f.dtype).eps * level
    flat = torch.ones(len(Z), dtype=torch.bool, device=Z.device)
    for _ in range(PROBES):
        u = torch.randn(Z.shape, generator=generator, dtype=torch.float32).to(Z)
        for way in (1, -1):
            near = f.clipped(Z + way * NEARBY * f.unit * u / _size(u))
            change = (f(near) - images).flatten(1).abs().amax(1)
            flat &= change <= rounding
    return flat


def _interval(
    halves: Float[Tensor, "2 p n"], others: Bool[Tensor, " p"], *, rounding: float
) -> Contraction:
    logs = halves.mean(0)
    mean, spread = logs.mean(0), logs.std(0)
    reach = float(special.stdtrit(PROBES - 1, 0.975)) / math.sqrt(PROBES) * spread
    drift = (halves[1] - halves[0]).mean(0).abs()
    reach = reach + drift + (logs[others].mean(0) - logs[~others].mean(0)).abs()
    rate = mean.exp()
    # Images that do not differ at all: log 0.
    vanished = torch.isinf(mean) & (mean < 0)
    low = torch.where(vanished | (rate <= rounding), 0, (mean - reach).exp())
    high = torch.where(vanished, rounding, (mean + reach).exp().clamp_min(rounding))
    return Contraction(rate=rate, low=low, high=torch.nan_to_num(high, nan=math.inf))


def _size(Z: Tensor) -> Tensor:
    return rms(Z).reshape(-1, *[1] * (Z.ndim - 1))
