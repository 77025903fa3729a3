"""How a map contracts, from values of it alone: the growth of differences between orbits.

An orbit that starts at `c + h u`, beside one that starts at `c`, is `J u h` away from it after a
step, for small `h`. Brought back to distance `h` and stepped again, the difference turns into the
leading eigenvector and its length changes by the leading eigenvalue's modulus in each step
(Benettin, Galgani, Giorgilli, Strelcyn, Meccanica 15, 1980, for Lyapunov exponents; here the base
point is held still, which makes it the power method with `J u ~ (f(c + h u) - f(c - h u)) / 2 h`).

At a fixed point `c` this is the ratio of successive differences of the orbits that end there.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy import stats
from torch import Tensor

from mnemoscope.dynamics.states import rms
from mnemoscope.maps import SelfMap, check_values
from mnemoscope.maps.self_map import Stage, as_self_map, in_unit_of_starts

PROBES = 8
"""Differences that are followed at each state, half of them `LONGER` times as long: their spread
tells how far the rate depends on where a difference began, and on chance."""

LONGER = 4
"""How far the rate depends on the length of a difference is seen from two lengths."""

SETTLING = 48
"""Steps in which a difference turns into the slowest direction."""

MEASURED = 32
"""Steps over which its growth is taken: of a complex pair of eigenvalues the length also
oscillates."""


@dataclass(frozen=True)
class Contraction:
    """The modulus of the leading eigenvalue at each state.

    Attributes:
        rate: `(n,)`, growth of a small difference in one step.
        low: `(n,)`, lower end of its 95% interval; 0 where the rate is no more than rounding.
        high: `(n,)`, upper end.
    """

    rate: Float[Tensor, " n"]
    low: Float[Tensor, " n"]
    high: Float[Tensor, " n"]


def contraction(f: Stage | SelfMap, Z: Float[Tensor, "n *shape"], *, seed: int = 0) -> Contraction:
    """The growth of small differences at each state, with its interval; no derivative is taken.

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

    Takes `2 PROBES (SETTLING + MEASURED)` evaluations of each state.

    Args:
        f: A self-map, or a network or callable to make one from.
        Z: `(n, *shape)`, the states.
        seed: Of the first directions.

    Example:
        >>> found = contraction(lambda z: 0.25 * z, torch.zeros(1, 3))
        >>> round(float(found.rate[0]), 5)
        0.25
    """
    f = as_self_map(f, Z.shape[1:])
    Z = f.batch(Z)
    f = in_unit_of_starts(f, Z)
    check_values(f, Z)
    eps = torch.finfo(f.dtype).eps
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(PROBES, *f.shape, generator=generator, dtype=torch.float64)
    u = u.to(Z)[:, None].expand(-1, *Z.shape).flatten(0, 1)
    lengths = eps ** (2 / 3) * rms(Z).clamp_min(f.unit)
    long = torch.arange(PROBES) % 2 == 1
    times = torch.where(long, LONGER, 1).to(Z)
    h = (times[:, None] * lengths).flatten().reshape(-1, *[1] * len(f.shape))
    base = Z.expand(PROBES, *Z.shape).flatten(0, 1)
    u = u / _size(u)
    halves = Z.new_zeros(2, PROBES * len(Z))
    with f.evaluating():
        for step in range(SETTLING + MEASURED):
            grown = (f(base + h * u) - f(base - h * u)) / (2 * h)
            size = _size(grown)
            if step >= SETTLING:
                halves[2 * (step - SETTLING) // MEASURED] += size.flatten().log()
            # A difference that vanished, or overflowed, keeps its direction.
            usable = (size > 0) & torch.isfinite(size)
            u = torch.where(usable, grown / size.clamp_min(torch.finfo(f.dtype).tiny), u)
    logs = (halves / (MEASURED / 2)).reshape(2, PROBES, -1)
    return _interval(logs, long.to(Z.device), rounding=4 * eps ** (1 / 3))


def _interval(
    halves: Float[Tensor, "2 p n"], long: Bool[Tensor, " p"], *, rounding: float
) -> Contraction:
    logs = halves.mean(0)
    mean, spread = logs.mean(0), logs.std(0)
    reach = float(stats.t.ppf(0.975, PROBES - 1)) / math.sqrt(PROBES) * spread
    drift = (halves[1] - halves[0]).mean(0).abs()
    reach = reach + drift + (logs[long].mean(0) - logs[~long].mean(0)).abs()
    rate = mean.exp()
    # Images that do not differ at all: log 0.
    vanished = torch.isinf(mean) & (mean < 0)
    low = torch.where(vanished | (rate <= rounding), 0, (mean - reach).exp())
    high = torch.where(vanished, rounding, (mean + reach).exp().clamp_min(rounding))
    return Contraction(rate=rate, low=low, high=torch.nan_to_num(high, nan=math.inf))


def _size(Z: Tensor) -> Tensor:
    return rms(Z).reshape(-1, *[1] * (Z.ndim - 1))
