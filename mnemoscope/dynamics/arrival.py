"""Decides whether an orbit is near its limit, by the lengths of its latest steps.

Where steps shrink by the ratio `q` each, a step of length `s` has led to within `s q / (1 - q)` of
the limit: as far as all further steps together. The ratio is the geometric mean over the latest
`WINDOW` steps, or the last one where that is larger: where ratios rise a slower direction takes
over. Ratios of steps no longer than rounding are noise; the last ratio before is kept.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mnemoscope.dynamics.working_batch import WINDOW, WorkingBatch

ABOVE = 4
"""Ratios are of steps that many times longer than rounding, so that it disturbs them little."""

RISING = 0.02
"""The last ratio may be closer to 1 than the mean by this share; beyond, it is rising."""

YOUNG = 4
"""Before this many steps only ratios below `STEEP` are believed: first steps mix all directions."""

STEEP = 0.1
"""The ratio of a map that brings everything near to its limit at once."""

SLOW = 0.99
"""Orbits whose steps shrink no faster are followed by leaps: plain steps would take hundreds."""

SLOW_FROM = 256
"""Steps after which orbits are tested for moving slowly and straight on."""

STRAIGHT = 0.25
"""It does if the way since its anchor differs by this share at most from as many present steps."""


class Arrivals(NamedTuple):
    """Evidence from the latest steps of each orbit.

    Attributes:
        arrived: `(b,)`, whether it is within the tolerance of its limit.
        slow: `(b,)`, whether it is not, and will not be for long, or ever in this precision.
        distance: `(b,)`, the bound on the distance from the present state to the limit; infinite
            where steps do not shrink, NaN where rounding has hidden from the start whether they do.
    """

    arrived: Bool[Tensor, " b"]
    slow: Bool[Tensor, " b"]
    distance: Float[Tensor, " b"]


def arrivals(
    batch: WorkingBatch, step: Float[Tensor, " b"], *, tol: float, floor: Float[Tensor, " b"]
) -> Arrivals:
    """Judges the orbits by their latest steps, and notes the ratios of these in the batch.

    The present step, of length `step`, is recorded there; steps up to `floor` may be rounding.
    """
    window = batch.age.clamp_max(WINDOW)
    first, before = batch.length(window), batch.length(batch.age.clamp_max(1))
    mean, last = (step / first) ** (1 / window.clamp_min(1)), step / before
    noise, full, low = ABOVE * floor, batch.age >= WINDOW, step <= floor
    # A step below rounding that began well above it has shrunk by no less than it seems to.
    clear_last = (before > noise) & ~low
    ratio = torch.where(clear_last, torch.maximum(mean, last), mean)
    batch.rate = rate = torch.where((first > noise) & (batch.age > 0), ratio, batch.rate)
    # NaN where the ratio is.
    distance = torch.where(rate >= 1, torch.inf, step / (1 - rate))
    distance = distance.masked_fill(step == 0, 0)
    rising = clear_last & (last - mean > RISING * (1 - mean)) & (batch.age >= 2)
    arrived = (distance <= tol) & ((batch.age >= YOUNG) | (rate < STEEP)) & ~rising | (step == 0)
    slow = full & ~low & (mean >= SLOW) & (rate <= 1 / SLOW)
    if step.device.type != "cpu" or bool(low.any()):
        low = low & full
        # From the start nothing but rounding: there is nothing to extrapolate from.
        arrived |= torch.isnan(rate) & low
        slow |= low & (batch.age % WINDOW == 0) & (mean > (1 + rate) / 2)
        slow |= low & (floor / ABOVE > tol * (1 - rate))
    return Arrivals(arrived, slow & ~arrived, distance)


def coherent(
    batch: WorkingBatch, step: Float[Tensor, " b"], gap: Float[Tensor, " b"]
) -> Bool[Tensor, " b"]:
    """Selects orbits that, at powers of two from `SLOW_FROM` on, move slowly and straight on.

    The way since the anchor, half as many steps ago, is then as long as that many present steps:
    on a curve, in chaos or in a cycle it is shorter, and longer where steps shrink fast.
    """
    age = batch.age + 1
    due = (age >= SLOW_FROM) & ((age & (age - 1)) == 0)
    if due.device.type == "cpu" and not bool(due.any()):
        return due
    path = (age - batch.anchored) * step
    return due & ((gap - path).abs() <= STRAIGHT * path)


def returns(
    batch: WorkingBatch,
    gap: Float[Tensor, " b"],
    period: Int[Tensor, " b"],
    *,
    tol: float,
    floor: Float[Tensor, " b"],
) -> Arrivals:
    """Judges orbits that have just returned: the same bound, for the map applied `period` times.

    `gap` is the distance by which the return misses.
    """
    times = (batch.age + 1 - batch.returned) / period.clamp_min(1)
    again = (batch.period == period) & torch.isfinite(batch.gap)
    clear = again & (torch.minimum(gap, batch.gap) > floor)
    batch.shrink = torch.where(clear, (gap / batch.gap) ** (1 / times), batch.shrink)
    rate = torch.where(again, batch.shrink, torch.nan)
    distance = torch.where(rate < 1, gap * rate / (1 - rate), torch.inf)
    distance = torch.where(torch.isnan(rate), torch.nan, distance)
    distance = torch.where(gap == 0, 0, distance)
    # A return that misses by rounding alone, before its rate could be seen: a census verifies it.
    hidden = (gap <= floor) & torch.isnan(distance)
    arrived = hidden | (distance <= tol)
    stuck = (gap <= floor / ABOVE) | ((rate >= SLOW) & (rate <= 1 / SLOW))
    return Arrivals(arrived, again & ~arrived & stuck, distance)
